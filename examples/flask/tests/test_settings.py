"""The configuration file."""

import os
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from notes import settings


class SettingsTest(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.file = Path(directory.name, "notes.toml")
        environment = mock.patch.dict(os.environ)
        environment.start()
        self.addCleanup(environment.stop)
        os.environ.pop("NOTES_DATABASE", None)

    def load(self, text):
        self.file.write_text(text, encoding="utf-8")
        return settings.load(str(self.file))

    def test_the_file_and_the_environment_over_it(self):
        text = f'database = "/srv/notes.db"\nsession_key = "{"k" * 32}"\n'
        self.assertEqual(self.load(text), settings.Settings("/srv/notes.db", "k" * 32))
        os.environ["NOTES_DATABASE"] = "/tmp/other.db"
        self.assertEqual(self.load(text).database, "/tmp/other.db")

    def test_what_is_wrong_is_named(self):
        for text, word in (
            ("colour = 'red'", "colour"),
            ("database = 7", "database"),
            ("database = 'notes.db'", "absolute"),
            ("listen = 8000", "listen"),
            ("session_key = 'short'", "session_key"),
            ("database = ", "notes.toml"),
        ):
            with self.subTest(text=text), self.assertRaisesRegex(ValueError, word):
                self.load(text)

    def test_a_file_that_was_named_must_be_there(self):
        with self.assertRaisesRegex(ValueError, "No such file"):
            settings.load(str(self.file))


if __name__ == "__main__":
    unittest.main()
