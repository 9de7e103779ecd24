"""The pages: the board, its form, and one for a load balancer to ask."""

import html

from Products.Five.browser import BrowserView
from ZEO.Exceptions import ClientDisconnected

from . import notices

PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Board</title></head>
<body><h1>Board</h1>
<form method="post" action="board-add"><input name="text" required><button>Put up</button></form>
<ul>
{items}</ul></body></html>
"""


class Board(BrowserView):
    """``board``: everybody reads it."""

    def __call__(self):
        self.request.response.setHeader("Content-Type", "text/html; charset=utf-8")
        items = "".join(f"<li>{html.escape(notice['text'])}</li>\n" for notice in notices.read(self.context))
        return PAGE.format(items=items)


class Add(BrowserView):
    """``board-add``: managers write."""

    def __call__(self):
        if self.request.method != "POST":
            self.request.response.setStatus(405)
            return "POST a text\n"
        try:
            notices.add(self.context, self.request.form.get("text", ""))
        except ValueError as error:
            self.request.response.setStatus(400)
            return f"{error}\n"
        self.request.response.redirect(f"{self.context.absolute_url()}/board", status=303)
        return ""


class Health(BrowserView):
    """``board-health``: 200 where the database answers, else 503 within wait-timeout."""

    def __call__(self):
        self.request.response.setHeader("Content-Type", "text/plain")
        try:
            # A connection that has seen an object serves it from its cache; this asks the server.
            self.context._p_jar.db().storage.ping()
        except ClientDisconnected:
            # Not left to the publisher, which would try three times more.
            self.request.response.setStatus(503)
            return "the server of the database does not answer\n"
        return "ok\n"
