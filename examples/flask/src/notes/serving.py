"""gunicorn's configuration, from the service's settings: ``gunicorn --config python:notes.serving``."""

from contextlib import closing

from notes import settings
from notes.store import Store

_values = settings.load()

bind = _values.listen
workers = 2
# What is wrong with the application ends gunicorn before it says that it is ready.
preload_app = True


def on_starting(_server) -> None:
    """Makes the database where there is none yet."""
    with closing(Store(_values.database)) as store:
        store.create_tables()
