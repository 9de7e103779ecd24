"""The ``notes`` command."""

import contextlib
import io
import os
import socket
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from notes.command import main


class CommandTest(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.database = str(Path(directory.name, "notes.db"))

    def run_notes(self, *arguments):
        """Exit status, standard output, standard error."""
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                status = main(list(arguments))
            except SystemExit as leaving:
                status = leaving.code
        return status, out.getvalue(), err.getvalue()

    def test_init_add_list(self):
        with mock.patch.dict(os.environ, NOTES_DATABASE=self.database):
            self.assertEqual(self.run_notes("init-db"), (0, "", ""))
            self.assertEqual(self.run_notes("add", "first"), (0, "1\n", ""))
            self.assertEqual(self.run_notes("init-db")[0], 0)
            self.assertEqual(self.run_notes("add", "second")[0], 0)
            status, out, _ = self.run_notes("list")
        self.assertEqual(status, 0)
        self.assertEqual([line.split("\t")[2] for line in out.splitlines()], ["second", "first"])

    def test_a_missing_database_is_named(self):
        status, _, err = self.run_notes("--database", self.database, "list")
        self.assertEqual(status, 1)
        self.assertIn(self.database, err)
        self.assertIn("init-db", err)

    def test_an_empty_note_is_refused(self):
        self.run_notes("--database", self.database, "init-db")
        self.assertEqual(self.run_notes("--database", self.database, "add", " ")[0], 1)

    def test_a_service_that_is_not_there_is_not_well(self):
        with socket.create_server(("127.0.0.1", 0)) as closed:
            listen = "%s:%d" % closed.getsockname()
        file = Path(self.database).with_name("notes.toml")
        file.write_text(f'listen = "{listen}"\n', encoding="utf-8")
        status, _, err = self.run_notes("--config", str(file), "check-health")
        self.assertEqual(status, 1)
        self.assertIn(listen, err)

    def test_a_wrong_command_line_is_refused(self):
        self.assertEqual(self.run_notes()[0], 2)
        self.assertEqual(self.run_notes("dance")[0], 2)


if __name__ == "__main__":
    unittest.main()
