"""Backup and restore of a real file storage with blobs."""

import datetime
import os
import tempfile
import time
import unittest
from pathlib import Path

import transaction
from ZODB import DB
from ZODB.blob import Blob, BlobStorage
from ZODB.FileStorage import FileStorage

from zeo_server import backup
from zeo_server.storages import Fault, Storage, read

CONFIGURATION = """
<zeo>
  address 127.0.0.1:8100
</zeo>
<filestorage 1>
  path {0}/Data.fs
  blob-dir {0}/blobs
</filestorage>
"""


def days_ago(days):
    return datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=days)


class BackupTest(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.data = Path(directory.name, "data")
        self.data.mkdir()
        self.backups = str(Path(directory.name, "backups"))
        self.storage = Storage("1", str(self.data / "Data.fs"), str(self.data / "blobs"))

    def write(self, key, text, pack=False):
        database = DB(BlobStorage(self.storage.blobs, FileStorage(self.storage.path)))
        connection = database.open()
        connection.root()[key] = text
        connection.root()["blob"] = Blob(text.encode())
        transaction.commit()
        connection.close()
        if pack:
            database.pack(time.time() + 1)
        database.close()

    def read(self):
        database = DB(BlobStorage(self.storage.blobs, FileStorage(self.storage.path)))
        connection = database.open()
        root = connection.root()
        with root["blob"].open("r") as blob:
            found = {key: root[key] for key in root if key != "blob"} | {"blob": blob.read().decode()}
        connection.close()
        database.close()
        return found

    def make(self, now=None):
        # repozo's names have seconds.
        time.sleep(1.1)
        backup.make(self.storage, self.backups, 30, now or days_ago(0))

    def test_a_restore_is_what_was_backed_up(self):
        self.write("a", "first")
        self.make()
        date = backup.listing(self.storage, self.backups)[-1]
        self.write("a", "second", pack=True)
        self.make()
        self.write("a", "third")
        backup.restore(self.storage, self.backups, None, days_ago(0))
        self.assertEqual(self.read(), {"a": "second", "blob": "second"})
        # The first blob has been packed away since; the backup still has it.
        aside = backup.restore(self.storage, self.backups, date, days_ago(-1))
        self.assertEqual(self.read(), {"a": "first", "blob": "first"})
        self.assertTrue(os.path.exists(self.storage.path + aside))

    def test_old_series_go_as_a_whole(self):
        self.write("a", "first")
        self.make()
        self.write("a", "second")
        self.make()
        self.write("a", "third", pack=True)
        self.make()
        self.assertEqual(len(backup.listing(self.storage, self.backups)), 3)
        # Thirty days later only the series that a restore to then needs is left.
        self.make(days_ago(-31))
        self.assertEqual(len(backup.listing(self.storage, self.backups)), 1)
        backup.restore(self.storage, self.backups, None, days_ago(0))
        self.assertEqual(self.read()["a"], "third")

    def test_nothing_to_restore_changes_nothing(self):
        self.write("a", "first")
        with self.assertRaises(Fault):
            backup.restore(self.storage, self.backups, None, days_ago(0))
        self.assertEqual(self.read()["a"], "first")

    def test_the_configuration_names_the_storages(self):
        path = self.data / "zeo.conf"
        path.write_text(CONFIGURATION.format(self.data))
        server = read(str(path))
        self.assertEqual(server.address, ("127.0.0.1", 8100))
        self.assertEqual(server.storages, (self.storage,))
        with self.assertRaises(Fault):
            server.select("other")


if __name__ == "__main__":
    unittest.main()
