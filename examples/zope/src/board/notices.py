"""The notices, as they are in the database."""

import time

from persistent.list import PersistentList
from persistent.mapping import PersistentMapping

#: Where the root of Zope has them.
ATTRIBUTE = "_board_notices"


def read(application):
    """The notices, the newest first."""
    return list(reversed(getattr(application, ATTRIBUTE, ())))


def add(application, text):
    """Put up a notice."""
    text = text.strip()
    if not text:
        raise ValueError("an empty notice")
    notices = getattr(application, ATTRIBUTE, None)
    if notices is None:
        notices = PersistentList()
        setattr(application, ATTRIBUTE, notices)
    notices.append(PersistentMapping(text=text, time=int(time.time())))


def evolve(application):
    """From 0.9, where a notice was a plain text, to 1.0. How many were changed."""
    notices = getattr(application, ATTRIBUTE, ())
    plain = [number for number, notice in enumerate(notices) if isinstance(notice, str)]
    for number in plain:
        notices[number] = PersistentMapping(text=notices[number], time=0)
    return len(plain)
