"""The ``notes`` command: init-db, add, list."""

import argparse
import sys
from importlib.metadata import version

from sqlalchemy.exc import OperationalError

from notes.store import Store


def main(arguments: list[str] | None = None) -> int:
    """Runs the command; 0 done, 1 failed, 2 wrong command line."""
    options = _parser().parse_args(arguments)
    store = Store(options.database)
    try:
        return options.run(store, options)
    except ValueError as error:
        print(f"notes: {error}", file=sys.stderr)
    except OperationalError as error:
        print(f"notes: database {store.path}: {error.orig}", file=sys.stderr)
        print("notes: NOTES_DATABASE names another file, 'notes init-db' makes a new one", file=sys.stderr)
    finally:
        store.close()
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="notes", description="Keeps notes in a database file.")
    parser.add_argument("--version", action="version", version=f"notes {version('notes')}")
    parser.add_argument("--database", metavar="FILE", help="the database (default: $NOTES_DATABASE)")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    init = commands.add_parser("init-db", help="make the database; an existing one keeps its notes")
    init.set_defaults(run=_init)
    add = commands.add_parser("add", help="add a note")
    add.add_argument("text", help="the note")
    add.set_defaults(run=_add)
    show = commands.add_parser("list", help="list the notes, the newest first")
    show.set_defaults(run=_list)
    return parser


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
