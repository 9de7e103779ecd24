"""Refuse what cannot be answered because the ZEO server is away (Zope, and zope.app
as Grok has it).

Their publishers repeat a request three times after a transient error, and
ClientDisconnected is one. But each attempt has waited for the server as long as
``wait-timeout`` says; and where the connection broke during a commit, nobody knows
whether it has happened: repeated, it might happen twice. So such a request is
answered once, with 503.

This module alone is on the path of the application's server: its filters stand in
the PasteDeploy file that dh_zeoclient writes.
"""

import logging
import sys

from ZEO.Exceptions import ClientDisconnected
from zope.component import provideHandler

logger = logging.getLogger("zeoclient")
BODY = b"The server of the database does not answer. Please try again in a moment.\n"
#: What a request of zope.app leaves in its environment.
REFUSED = "zeoclient.refused"


def refuse(app, global_conf):
    """A ``paste.filter_app_factory`` for Zope."""
    from ZPublisher.interfaces import IPubBeforeAbort

    provideHandler(_do_not_repeat, (IPubBeforeAbort,))

    def application(environ, start_response):
        try:
            return app(environ, start_response)
        except ClientDisconnected as error:
            return _refusal(environ, start_response, error)

    return application


def refuse_in_zope_app(app, global_conf):
    """A ``paste.filter_app_factory`` for zope.app's publisher, which lets no exception out."""
    from zope.publisher.interfaces import IEndRequestEvent

    provideHandler(_do_not_retry, (IEndRequestEvent,))

    def application(environ, start_response):
        started = []
        is_under_way = True

        def start(*words):
            if not is_under_way:
                return start_response(*words)
            started.append(words)

        body = app(environ, start)
        is_under_way = False
        if REFUSED in environ:
            if hasattr(body, "close"):
                body.close()
            return _refusal(environ, start_response, environ[REFUSED])
        # What begins with its first piece has said nothing yet.
        if started:
            start_response(*started[-1])
        return body

    return application


def _refusal(environ, start_response, error):
    logger.warning("%s %s: refused: %s", environ["REQUEST_METHOD"], environ.get("PATH_INFO", ""), error)
    headers = [
        ("Content-Type", "text/plain; charset=utf-8"),
        ("Content-Length", str(len(BODY))),
        ("Retry-After", "5"),
    ]
    start_response("503 Service Unavailable", headers)
    return [BODY]


def _do_not_repeat(event):
    # The publisher asks request.supports_retry() once more when it has the exception again.
    if event.retry and isinstance(event.exc_info[1], ClientDisconnected):
        event.request.retry_max_count = event.request.retry_count


def _do_not_retry(event):
    # The request ends while its Retry is on the way to the publisher's loop.
    error = sys.exc_info()[1]
    original = error.getOriginalException() if hasattr(error, "getOriginalException") else None
    if original is not None and isinstance(original[1], ClientDisconnected):
        request = event.request
        request._orig_env[REFUSED] = original[1]
        request._retry_count = request.retry_max_count
