"""What a ZEO client needs before and beside its own start.

This package is installed into the virtual environment of an application that
keeps its data on a ZEO server, because it needs that environment's ZODB. It
asks a server what state it is in (``probe``), creates the first administrator
exactly once per storage (``bootstrap``), and runs an application's upgrade
exactly once per storage and version (``upgrade``). ``python -m zeoclient``
says how it is called.

It needs Python 3.11 and ZEO, and a framework only where it adds that
framework's administrator. It never opens a network port and never writes a
secret to anything but a file of mode 0600.
"""

from __future__ import annotations

from typing import TextIO

#: Version of the JSON that every command prints.
SCHEMA = 1


def printable(text: str) -> str:
    """The text with what would steer a terminal written out: a database and its servers may say anything."""

    def shown(character: str) -> str:
        number = ord(character)
        is_control = (number < 0x20 and character not in "\n\t") or 0x7F <= number < 0xA0
        if not is_control and number not in _DIRECTIONS:
            return character
        return f"\\x{number:02x}" if number < 0x100 else f"\\u{{{number:x}}}"

    return "".join(map(shown, text))


#: Separators of lines and paragraphs, and what turns the direction of text.
_DIRECTIONS = frozenset([0x2028, 0x2029, *range(0x202A, 0x202F), *range(0x2066, 0x206A)])


def say(text: str, file: TextIO | None = None, *, flush: bool = False) -> None:
    """Print a text, made printable."""
    print(printable(text), file=file, flush=flush)
