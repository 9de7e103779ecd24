"""Notices in a real database, and the pages over Zope's own publisher."""

import unittest

import transaction
from persistent.list import PersistentList
from Testing.ZopeTestCase import FunctionalTestCase
from Testing.ZopeTestCase.layer import ZopeLite
from Zope2.App import zcml

import board
from board import notices


def setUpModule():
    # What zope.testrunner does with a layer.
    ZopeLite.setUp()


class NoticesTest(unittest.TestCase):
    class Application:
        pass

    def test_newest_first_and_never_empty(self):
        application = self.Application()
        self.assertEqual(notices.read(application), [])
        for text in ("first", " second "):
            notices.add(application, text)
        self.assertEqual([notice["text"] for notice in notices.read(application)], ["second", "first"])
        with self.assertRaises(ValueError):
            notices.add(application, "  ")

    def test_evolving_changes_only_what_is_old(self):
        application = self.Application()
        setattr(application, notices.ATTRIBUTE, PersistentList(["old"]))
        notices.add(application, "new")
        self.assertEqual(notices.evolve(application), 1)
        self.assertEqual(notices.evolve(application), 0)
        self.assertEqual([notice["text"] for notice in notices.read(application)], ["new", "old"])


class PagesTest(FunctionalTestCase):
    def afterSetUp(self):
        import Products.Five

        zcml.load_config("configure.zcml", Products.Five)
        zcml.load_config("configure.zcml", board)
        self.app.acl_users.userFolderAddUser("boss", "secret", ["Manager"], [])
        transaction.commit()

    def test_everybody_reads_and_managers_write(self):
        self.assertEqual(self.publish("/board").getStatus(), 200)
        self.assertEqual(self.publish("/board-add", request_method="POST").getStatus(), 401)
        self.assertEqual(self.publish("/board-add", "boss:secret").getStatus(), 405)
        self.assertEqual(self.publish("/board-add", "boss:secret", request_method="POST").getStatus(), 400)
        notices.add(self.app, "<b>bold</b>")
        transaction.commit()
        self.assertIn(b"<li>&lt;b&gt;bold&lt;/b&gt;</li>", self.publish("/board").getBody())


if __name__ == "__main__":
    unittest.main()
