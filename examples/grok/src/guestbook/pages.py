"""The pages, on the root folder of the database."""

import html

import grok
from persistent.list import PersistentList
from zope.site.interfaces import IRootFolder

#: Where the root folder has the entries.
ATTRIBUTE = "_guestbook_entries"

PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Guest book</title></head>
<body><h1>Guest book</h1>
<form method="post" action="guestbook-add"><input name="text" required><button>Write</button></form>
<ul>
{items}</ul></body></html>
"""


class Write(grok.Permission):
    """Managers have it."""

    grok.name("guestbook.Write")
    grok.title("Write into the guest book")


class Guestbook(grok.View):
    """``guestbook``: the entries, the newest first."""

    grok.context(IRootFolder)
    grok.name("guestbook")
    grok.require("zope.Public")

    def render(self):
        entries = reversed(getattr(self.context, ATTRIBUTE, ()))
        self.response.setHeader("Content-Type", "text/html; charset=utf-8")
        return PAGE.format(items="".join(f"<li>{html.escape(text)}</li>\n" for text in entries))


class Add(grok.View):
    """``guestbook-add``: POST a text."""

    grok.context(IRootFolder)
    grok.name("guestbook-add")
    grok.require(Write)

    def render(self, text=""):
        if self.request.method != "POST" or not text.strip():
            self.response.setStatus(400)
            return "POST a text\n"
        entries = getattr(self.context, ATTRIBUTE, None)
        if entries is None:
            entries = PersistentList()
            setattr(self.context, ATTRIBUTE, entries)
        entries.append(text.strip())
        return self.redirect(self.url(self.context, "guestbook"))


class Health(grok.View):
    """``guestbook-health``: 200 where the server of the database answers, else 503."""

    grok.context(IRootFolder)
    grok.name("guestbook-health")
    grok.require("zope.Public")

    def render(self):
        from ZEO.Exceptions import ClientDisconnected

        self.response.setHeader("Content-Type", "text/plain")
        try:
            # A connection that has seen an object serves it from its cache; this asks the server.
            self.context._p_jar.db().storage.ping()
        except ClientDisconnected:
            self.response.setStatus(503)
            return "the server of the database does not answer\n"
        return "ok\n"
