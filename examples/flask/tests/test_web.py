"""The application through Flask's test client."""

import tempfile
import unittest
from pathlib import Path

from notes import create_app


class WebTest(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        app = create_app(str(Path(directory.name, "notes.db")))
        self.store = app.extensions["notes"]
        self.addCleanup(self.store.close)
        self.store.create_tables()
        self.client = app.test_client()

    def test_health_counts_the_notes(self):
        self.store.add("one")
        reply = self.client.get("/health")
        self.assertEqual((reply.status_code, reply.json), (200, {"status": "ok", "notes": 1}))

    def test_health_fails_without_a_database(self):
        app = create_app("/nonexistent/notes.db")
        self.addCleanup(app.extensions["notes"].close)
        with self.assertLogs(app.logger, "ERROR"):
            reply = app.test_client().get("/health")
        self.assertEqual(reply.status_code, 503)
        self.assertNotIn("nonexistent", reply.text)

    def test_a_note_is_added_read_listed_and_deleted(self):
        added = self.client.post("/api/notes", json={"text": " buy milk "})
        self.assertEqual(added.status_code, 201)
        self.assertEqual(added.json["text"], "buy milk")
        where = added.headers["Location"]
        self.assertEqual(self.client.get(where).json, added.json)
        self.client.post("/api/notes", json={"text": "second"})
        texts = [note["text"] for note in self.client.get("/api/notes").json["notes"]]
        self.assertEqual(texts, ["second", "buy milk"])
        self.assertEqual(self.client.delete(where).status_code, 204)
        self.assertEqual(self.client.get(where).status_code, 404)
        self.assertEqual(self.client.delete(where).status_code, 404)

    def test_a_wrong_note_is_refused_with_a_reason(self):
        for body in ({}, {"text": "  "}, {"text": 7}, [], {"text": "x" * 4001}):
            with self.subTest(body=str(body)[:30]):
                reply = self.client.post("/api/notes", json=body)
                self.assertEqual(reply.status_code, 400)
                self.assertIn("a note", reply.json["error"])
        self.assertEqual(self.store.count(), 0)

    def test_the_page_lists_adds_and_escapes(self):
        self.assertIn("There are no notes yet", self.client.get("/").text)
        reply = self.client.post("/", data={"text": "<b>bold</b>"}, follow_redirects=True)
        self.assertEqual(reply.status_code, 200)
        self.assertIn("&lt;b&gt;bold&lt;/b&gt;", reply.text)

    def test_a_form_of_another_site_is_refused(self):
        reply = self.client.post("/", data={"text": "spam"}, headers={"Origin": "http://elsewhere.invalid"})
        self.assertEqual(reply.status_code, 403)
        reply = self.client.post("/", data={"text": "mine"}, headers={"Origin": "http://localhost"})
        self.assertEqual(reply.status_code, 303)


    def test_a_session_needs_a_key(self):
        # Without one the page works and says nothing; with one it says what was done.
        self.assertNotIn("was added", self.client.post("/", data={"text": "a"}, follow_redirects=True).text)
        self.client.application.secret_key = "k" * 32
        self.assertIn("Note 2 was added", self.client.post("/", data={"text": "b"}, follow_redirects=True).text)


if __name__ == "__main__":
    unittest.main()
