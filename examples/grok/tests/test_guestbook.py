"""The pages over the real publisher, on a database in memory."""

import base64
import io
import logging
import unittest

import transaction
import zope.event
from ZODB.DB import DB
from zope.app.wsgi import WSGIPublisherApplication
from zope.configuration import xmlconfig
from zope.processlifetime import DatabaseOpened

SITE = """
<configure xmlns="http://namespaces.zope.org/zope">
  <include package="grok" file="meta.zcml" />
  <include package="grok" />
  <include package="zope.app.appsetup" />
  <include package="zope.principalregistry" file="meta.zcml" />
  <include package="zope.securitypolicy" file="meta.zcml" />
  <include package="zope.securitypolicy" file="securitypolicy.zcml" />
  <securityPolicy component="zope.securitypolicy.zopepolicy.ZopeSecurityPolicy" />
  <unauthenticatedPrincipal id="zope.anybody" title="Anybody" />
  <role id="zope.Manager" title="Manager" />
  <grantAll role="zope.Manager" />
  <principal id="test.manager" title="Manager" login="manager" password="secret"
             password_manager="Plain Text" />
  <grant role="zope.Manager" principal="test.manager" />
  <include package="guestbook" />
</configure>
"""


# What nobody may is logged with its traceback.
logging.disable(logging.CRITICAL)


class GuestbookTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        xmlconfig.string(SITE)
        cls.database = DB(None)
        zope.event.notify(DatabaseOpened(cls.database))
        cls.application = WSGIPublisherApplication(cls.database)

    def ask(self, path, text=None, password=None):
        body = b"" if text is None else f"text={text}".encode()
        environ = {
            "REQUEST_METHOD": "GET" if text is None else "POST",
            "PATH_INFO": path,
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "CONTENT_TYPE": "application/x-www-form-urlencoded",
            "CONTENT_LENGTH": str(len(body)),
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(body),
            "wsgi.errors": io.StringIO(),
        }
        if password:
            environ["HTTP_AUTHORIZATION"] = "Basic " + base64.b64encode(f"manager:{password}".encode()).decode()
        statuses = []
        pieces = self.application(environ, lambda status, headers, error=None: statuses.append(int(status[:3])))
        return statuses[0], b"".join(pieces).decode()

    def test_managers_write_and_everybody_reads(self):
        self.assertEqual(self.ask("/guestbook-add", "no")[0], 401)
        self.assertEqual(self.ask("/guestbook-add", "no", "wrong")[0], 401)
        self.assertEqual(self.ask("/guestbook-add", "yes", "secret")[0], 303)
        status, page = self.ask("/guestbook")
        self.assertEqual(status, 200)
        self.assertIn("<li>yes</li>", page)
        self.assertNotIn("<li>no</li>", page)
        transaction.abort()


if __name__ == "__main__":
    unittest.main()
