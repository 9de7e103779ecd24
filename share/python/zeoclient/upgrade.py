"""An application's upgrade of its data: one node runs it, once per version.

The record in the database's root says which version the data has and, while an
upgrade runs, who runs it. A running upgrade counts up a pulse in the database;
where the pulse stands still, it was interrupted. Nobody can know how far it
came, so it is not begun again unless the packager says that it may be
(``restartable``) or an administrator does (``--again``).

The command finds ``UPGRADE_FROM`` (empty the first time) and ``UPGRADE_TO`` in
its environment. It runs beside the application of other nodes. A storage that
has nothing in it has nothing to upgrade: it may be given the version unseen
(``new-storage = "skip"``).
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import socket
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from persistent.mapping import PersistentMapping

from . import database, instance
from .configuration import Configuration, Upgrade
from .database import Root
from .errors import Fault, Interrupted, OlderCode, TryLater

#: Key of the record in the database's root.
RECORD = "zeoclient.upgrade"
#: Seconds without a beat after which nobody runs an upgrade any more.
SILENCE = 30.0
#: A living upgrade beats so often within that time.
BEATS = 6
#: Seconds for which the end of an upgrade is told to a server that is away.
PERSISTENCE = 300.0
LOCK = ".zeoclient-upgrade.lock"


@dataclass(frozen=True)
class Running:
    """Who runs an upgrade, as the database has it."""

    version: str
    node: str
    since: str
    token: str
    pulse: int
    #: How it ended where it did not succeed; empty: it did not say.
    failure: str


@dataclass(frozen=True)
class Record:
    """What the database says of upgrades."""

    version: str = ""
    node: str = ""
    time: str = ""
    running: Running | None = None


def read(root: Root) -> Record:
    """The record in a root."""
    if RECORD not in root:
        return Record()
    stored = root[RECORD]
    running = stored["running"]
    return Record(
        stored["version"],
        stored["node"],
        stored["time"],
        None if running is None else Running(pulse=running["pulse"].get("beats", 0), **_without_pulse(running)),
    )


def mark_new(root: Root, configuration: Configuration) -> None:
    """Give a storage without any data this version, where the packager says so."""
    wanted = configuration.upgrade
    if wanted is not None and wanted.skip_new and not len(root):
        root[RECORD] = _record(wanted.version, "", None)


def run(configuration: Configuration, *, again: bool = False, wait: float = 600.0, silence: float = SILENCE) -> bool:
    """Bring the main storage to this version. Whether the command ran here.

    Returns once the storage has this version, whoever has brought it there.
    Raises OlderCode, Interrupted, TryLater (another process is still at it
    after `wait` seconds) and Fault (the command failed).
    """
    wanted = configuration.upgrade
    if wanted is None:
        raise Fault("the configuration has no [upgrade]: nothing runs once per storage")
    database.reachable(configuration)
    until = time.monotonic() + wait
    lock = _lock(configuration, until)
    try:
        claim = _claim(configuration, wanted, again, until, silence, lock)
        if claim is not None:
            _carry_out(configuration, wanted, claim, lock, silence / BEATS)
        return claim is not None
    finally:
        os.close(lock)


@dataclass(frozen=True)
class _Claim:
    """The right to run the upgrade, as the database has given it."""

    token: str
    #: The version that the data has.
    version: str


def _lock(configuration: Configuration, until: float) -> int:
    """A lock that the command inherits: while any process of it lives on this
    machine, its upgrade is not interrupted, whatever became of this process."""
    path = os.path.join(configuration.state, LOCK)
    try:
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise Fault(f"cannot write {path}: {error.strerror}") from error
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return lock
        except BlockingIOError:
            if time.monotonic() > until:
                os.close(lock)
                raise TryLater("an upgrade still runs on this machine") from None
            time.sleep(0.1)


def _claim(
    configuration: Configuration, wanted: Upgrade, again: bool, until: float, silence: float, lock: int
) -> _Claim | None:
    """A claim on the upgrade; None where the storage has the version."""
    token = secrets.token_hex(16)
    # Whoever claimed the upgrade under this lock and does not hold it is dead.
    ours = os.pread(lock, len(token), 0).decode("ascii", "replace")
    seen: tuple[str, int] | None = None
    since = time.monotonic()

    def attempt(root: Root) -> tuple[Record, bool]:
        mark_new(root, configuration)
        record = read(root)
        running = record.running
        _refuse_older(record, wanted)
        if running is None:
            claimed = record.version != wanted.version
        else:
            dead = silent or running.failure or running.token == ours
            if dead and not (again or wanted.restartable):
                raise _interrupted(configuration, running)
            claimed = bool(dead)
        if claimed:
            os.pwrite(lock, token.encode("ascii"), 0)
            _write(root, wanted, record, token)
        return record, claimed

    while True:
        silent = seen is not None and time.monotonic() - since > silence
        record, claimed = database.transact(configuration.main, attempt, note=f"upgrade to {wanted.version}: claim")
        if claimed:
            return _Claim(token, record.version)
        if record.running is None:
            return None
        pulse = (record.running.token, record.running.pulse)
        if pulse != seen:
            seen, since = pulse, time.monotonic()
        if time.monotonic() > until:
            raise TryLater(f"{record.running.node} is still at the upgrade to {record.running.version}")
        time.sleep(min(1.0, silence / 4))


def _carry_out(configuration: Configuration, wanted: Upgrade, claim: _Claim, lock: int, beat: float) -> None:
    environment = {**os.environ, "UPGRADE_FROM": claim.version, "UPGRADE_TO": wanted.version}
    if configuration.server is not None:
        environment[instance.CACHE] = instance.cache(configuration.server, "upgrade")
    words = [*_ending_with_this(), *wanted.command]
    with subprocess.Popen(words, stdin=subprocess.DEVNULL, env=environment, pass_fds=(lock,)) as command:
        while True:
            try:
                status = command.wait(beat)
                break
            except subprocess.TimeoutExpired:
                _beat(configuration, claim, beat)
    failure = "" if status == 0 else _in_words(status)
    _finish(configuration, wanted, claim, failure)
    if failure:
        raise Fault(
            f"the upgrade to {wanted.version} {failure}: {' '.join(wanted.command)}",
            "see what it said above; " + _how_again(configuration),
        )


def _ending_with_this() -> list[str]:
    """Words before a command that end it with this process: else nobody would count
    its pulse. A service's filter of system calls may forbid them; there the service
    manager ends what is left of a start that has failed."""
    words = ["setpriv", "--pdeathsig", "TERM", "--"]
    tried = subprocess.run([*words, "true"], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    return words if tried.returncode == 0 else []


def _beat(configuration: Configuration, claim: _Claim, limit: float) -> None:
    def count(root: Root) -> None:
        running = root[RECORD]["running"] if RECORD in root else None
        if running is not None and running["token"] == claim.token:
            running["pulse"]["beats"] = running["pulse"].get("beats", 0) + 1

    # Where the server is away for a moment, whether the command can go on is its own matter.
    with contextlib.suppress(TryLater):
        database.transact(configuration.main, count, note="upgrade under way", limit=limit)


def _finish(configuration: Configuration, wanted: Upgrade, claim: _Claim, failure: str) -> None:
    def close(root: Root) -> None:
        stored = root[RECORD]
        running = stored["running"]
        if running is None and stored["token"] == claim.token:
            # The commit of the attempt before had succeeded.
            return
        if running is None or running["token"] != claim.token:
            raise Fault("another node has taken over this upgrade while it ran", "check the data")
        if failure:
            running["failure"] = failure
        else:
            root[RECORD] = _record(wanted.version, claim.token, None)

    until = time.monotonic() + PERSISTENCE
    while True:
        try:
            database.transact(configuration.main, close, note=f"upgrade to {wanted.version}: end")
            return
        except TryLater:
            if time.monotonic() > until:
                raise
            time.sleep(1)


def _write(root: Root, wanted: Upgrade, record: Record, token: str) -> None:
    running = PersistentMapping(
        version=wanted.version,
        node=socket.gethostname(),
        since=_now(),
        token=token,
        failure="",
        # An object of its own: the pulse conflicts with nothing.
        pulse=PersistentMapping(),
    )
    stored = _record(record.version, "", running)
    stored["node"], stored["time"] = record.node, record.time
    root[RECORD] = stored


def _record(version: str, token: str, running: PersistentMapping | None) -> PersistentMapping:
    return PersistentMapping(
        format=1, version=version, token=token, node=socket.gethostname(), time=_now(), running=running
    )


def _refuse_older(record: Record, wanted: Upgrade) -> None:
    if _newer(record.version, wanted.version):
        raise OlderCode(
            f"the data has been upgraded to {record.version} by {record.node} ({record.time}); "
            f"the code on this machine is for {wanted.version}",
            f"install the package with version {record.version} of the data here, too",
        )
    running = record.running
    if running is not None and _newer(running.version, wanted.version):
        raise OlderCode(
            f"an upgrade to {running.version} was begun by {running.node} ({running.since}); "
            f"the code on this machine is for {wanted.version}",
            "install the newer package here, too",
        )


def _newer(one: str, other: str) -> bool:
    """Whether `one` is a later version than `other`, as dpkg orders them."""
    if not one:
        return False
    compared = subprocess.run(["dpkg", "--compare-versions", one, "gt", other], check=False)
    return compared.returncode == 0


def _interrupted(configuration: Configuration, running: Running) -> Interrupted:
    how = f"has failed ({running.failure})" if running.failure else "was interrupted"
    return Interrupted(
        f"the upgrade to {running.version}, begun by {running.node} ({running.since}), {how}; "
        "nobody knows how far it came",
        "check the data or restore a backup; " + _how_again(configuration),
    )


def _how_again(configuration: Configuration) -> str:
    return f"to run it again: appctl bootstrap upgrade --again {configuration.package}"


def _in_words(status: int) -> str:
    return f"was ended by signal {-status}" if status < 0 else f"ended with status {status}"


def _without_pulse(running: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in running.items() if key != "pulse"}


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
