"""The first administrator: made once per storage, whoever asks how often.

The database decides, by a marker in its root that is written in the same
transaction as the administrator; no local file does. A database that has users
and no marker was there before us: it gets the marker ``adopted`` and nothing
else, now or ever. Two nodes at once conflict over the marker; the one that
loses reads again and finds it.
"""

from __future__ import annotations

import secrets
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from persistent.mapping import PersistentMapping

from . import database, upgrade
from .configuration import Bootstrap, Configuration
from .database import Root
from .errors import Fault
from .frameworks import framework
from .password import Vault

#: Key of the marker in the database's root.
MARKER = "zeoclient.bootstrap"
SEEDED = "seeded"
ADOPTED = "adopted"


@dataclass(frozen=True)
class Outcome:
    """What the database says after a run."""

    #: ``seeded`` or ``adopted``.
    state: str
    #: Whether this run has made the administrator, or set the password.
    changed: bool
    #: The file with the password, where this run put it there.
    file: str | None


def seed(configuration: Configuration, password: str) -> Outcome:
    """Make the administrator where the storage has none.

    Raises TryLater where the server does not answer: then nothing has
    happened, or the next run finds what has.
    """
    bootstrap = wanted(configuration)
    database.reachable(configuration)
    vault = Vault(configuration.state)
    claim = secrets.token_hex(16)

    def look_or_add(root: Root) -> tuple[str, str, bool]:
        upgrade.mark_new(root, configuration)
        if MARKER in root:
            marker = root[MARKER]
            return marker["state"], marker["claim"], False
        adding = framework(bootstrap)
        if not vault.keeps(claim):
            vault.keep(claim, _header(configuration, bootstrap), password)
        added = adding.add(root, bootstrap.user, password)
        if added:
            _mark(root, configuration, SEEDED, claim)
        else:
            _mark(root, configuration, ADOPTED, "")
        return (SEEDED if added else ADOPTED), (claim if added else ""), added

    with vault.locked():
        state, winner, added = database.transact(configuration.main, look_or_add, note="first administrator")
        won = vault.settle(winner)
    return Outcome(state, added, vault.path if won else None)


def reset(configuration: Configuration, password: str) -> Outcome:
    """Give the administrator a new password, or make one anew."""
    bootstrap = wanted(configuration)
    database.reachable(configuration)
    vault = Vault(configuration.state)
    claim = secrets.token_hex(16)

    def set_password(root: Root) -> None:
        framework(bootstrap).reset(root, bootstrap.user, password)
        _mark(root, configuration, SEEDED, claim)

    with vault.locked():
        vault.keep(claim, _header(configuration, bootstrap), password)
        database.transact(configuration.main, set_password, note="administrator's password reset")
        vault.settle(claim)
    return Outcome(SEEDED, True, vault.path)


def acknowledge(configuration: Configuration) -> bool:
    """Delete the file with the password. Whether there was one."""
    vault = Vault(configuration.state)
    with vault.locked():
        return vault.forget()


def marker(root: Root) -> Mapping[str, Any] | None:
    """What the database says of its administrator, without the claim."""
    if MARKER not in root:
        return None
    return {key: value for key, value in sorted(root[MARKER].items()) if key != "claim"}


def wanted(configuration: Configuration) -> Bootstrap:
    """The configuration's bootstrap, which must be there."""
    if configuration.bootstrap is None:
        raise Fault("the configuration has no [bootstrap]: this package makes no administrator")
    return configuration.bootstrap


def _mark(root: Root, configuration: Configuration, state: str, claim: str) -> None:
    # Plain types of ZODB: the database must be readable without this package.
    root[MARKER] = PersistentMapping(
        format=1,
        state=state,
        claim=claim,
        user=wanted(configuration).user,
        package=configuration.package,
        node=socket.gethostname(),
        time=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    )


def _header(configuration: Configuration, bootstrap: Bootstrap) -> str:
    now = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
    return (
        f"Password of '{bootstrap.user}', the administrator of {configuration.package}, set {now}.\n"
        "It holds until somebody changes it in the application or resets it on another node.\n"
        f"Keep it elsewhere, then: appctl bootstrap ack {configuration.package}"
    )
