"""A small notes service: a web page, a REST interface and a command."""

from notes.web import create_app

__all__ = ["create_app"]
