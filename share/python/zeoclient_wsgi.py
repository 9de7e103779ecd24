"""Refuse what cannot be answered because the ZEO server is away (Zope).

Zope's publisher repeats a request three times after a transient error, with
growing pauses, and ClientDisconnected is one. But each attempt has waited for
the server as long as ``wait-timeout`` says; and where the connection broke
during a commit, nobody knows whether it has happened: repeated, it might happen
twice. So such a request is answered once, with 503.

This module alone is on the path of the application's server: the filter
``refuse`` of its PasteDeploy file.
"""

import logging

from ZEO.Exceptions import ClientDisconnected
from zope.component import provideHandler
from ZPublisher.interfaces import IPubBeforeAbort

logger = logging.getLogger("zeoclient")
BODY = b"The server of the database does not answer. Please try again in a moment.\n"


def refuse(app, global_conf):
    """A ``paste.filter_app_factory``."""
    provideHandler(_do_not_repeat, (IPubBeforeAbort,))

    def application(environ, start_response):
        try:
            return app(environ, start_response)
        except ClientDisconnected as error:
            logger.warning("%s %s: refused: %s", environ["REQUEST_METHOD"], environ.get("PATH_INFO", ""), error)
        headers = [
            ("Content-Type", "text/plain; charset=utf-8"),
            ("Content-Length", str(len(BODY))),
            ("Retry-After", "5"),
        ]
        start_response("503 Service Unavailable", headers)
        return [BODY]

    return application


def _do_not_repeat(event):
    # The publisher asks request.supports_retry() once more when it has the exception again.
    if event.retry and isinstance(event.exc_info[1], ClientDisconnected):
        event.request.retry_max_count = event.request.retry_count
