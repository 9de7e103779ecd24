"""The ``notes`` command: check-config, check-health, init-db, add, list."""

from __future__ import annotations

import argparse
import sys
from contextlib import closing
from typing import TYPE_CHECKING

from notes import settings

# Checks, which are made at each change and each start, are done before the database's library is there.
if TYPE_CHECKING:
    from notes.store import Store


def main(arguments: list[str] | None = None) -> int:
    """Runs the command; 0 done, 1 failed, 2 wrong command line."""
    options = _parser().parse_args(arguments)
    try:
        values = settings.load(options.config)
        if options.run is None:
            return 0
        if options.run is _health:
            return _health(values)
        from notes.store import Store

        with closing(Store(options.database or values.database)) as store:
            return _on(store, options)
    except ValueError as error:
        print(f"notes: {error}", file=sys.stderr)
    return 1


def _on(store: Store, options: argparse.Namespace) -> int:
    from sqlalchemy.exc import OperationalError

    try:
        return options.run(store, options)
    except OperationalError as error:
        print(f"notes: database {store.path}: {error.orig}", file=sys.stderr)
        print("notes: NOTES_DATABASE names another file, 'notes init-db' makes a new one", file=sys.stderr)
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="notes", description="Keeps notes in a database file.")
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version and exit")
    parser.add_argument("--config", metavar="FILE", help=f"the configuration (default: {settings.DEFAULT_FILE})")
    parser.add_argument("--database", metavar="FILE", help="the database, whatever the configuration says")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    check = commands.add_parser("check-config", help="say whether the configuration is right")
    check.set_defaults(run=None)
    health = commands.add_parser("check-health", help="ask the service whether it is well")
    health.set_defaults(run=_health)
    init = commands.add_parser("init-db", help="make the database; an existing one keeps its notes")
    init.set_defaults(run=_init)
    add = commands.add_parser("add", help="add a note")
    add.add_argument("text", help="the note")
    add.set_defaults(run=_add)
    show = commands.add_parser("list", help="list the notes, the newest first")
    show.set_defaults(run=_list)
    return parser


class _Version(argparse.Action):
    def __call__(self, parser, *_):
        from importlib.metadata import version

        parser.exit(0, f"notes {version('notes')}\n")


def _health(values: settings.Settings) -> int:
    import http.client

    connection = http.client.HTTPConnection(values.listen, timeout=5)
    try:
        connection.request("GET", "/health")
        reply = connection.getresponse()
        said = reply.read().decode(errors="replace").strip()
    except (OSError, http.client.HTTPException) as error:
        print(f"notes: {values.listen}: {error}", file=sys.stderr)
        return 1
    finally:
        connection.close()
    print(said)
    return 0 if reply.status == 200 else 1


def _init(store: Store, _options: argparse.Namespace) -> int:
    store.create_tables()
    return 0


def _add(store: Store, options: argparse.Namespace) -> int:
    print(store.add(options.text).id)
    return 0


def _list(store: Store, _options: argparse.Namespace) -> int:
    for note in store.all():
        print(f"{note.id}\t{note.created}\t{note.text}")
    return 0
