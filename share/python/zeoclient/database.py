"""Transactions on a storage: open, work, commit, again after a conflict.

Knows nothing of what is stored. A server that cannot be reached is TryLater;
whether a commit that was cut off has happened is for the caller to find out by
reading again. ZODB is imported where it is used: that takes longer than to find
out that nobody listens.
"""

from __future__ import annotations

import contextlib
import random
import signal
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any, TypeVar

from . import probe
from .configuration import Configuration, Storage, show
from .errors import Fault, TryLater

T = TypeVar("T")
#: A database's root: a mapping of names to persistent objects.
Root = Any
#: Seconds that one transaction may take, with all its repetitions.
LIMIT = 60.0


def reachable(configuration: Configuration) -> None:
    """Nothing, where the main storage answers."""
    storage = configuration.main
    best = probe.storage(storage, probe.TIMEOUT)[0]
    if best.result.answers:
        return
    message = f"the storage '{storage.name}': {best.result.word}: {best.detail}"
    if best.result in (probe.Result.UNREACHABLE, probe.Result.MUTE):
        raise TryLater(message, "is the ZEO server running, and does it listen where this client looks for it?")
    raise Fault(message, "correct the storage's servers, name or TLS settings")


def transact(storage: Storage, work: Callable[[Root], T], *, note: str, limit: float = LIMIT) -> T:
    """Run `work` on the root in one transaction and commit what it changed.

    On a conflict everything is read again and `work` runs again, so it must
    have no effect but on the database. Opening counts as well: the first two
    clients of an empty storage conflict over its root.
    """
    from ZODB.POSException import ConflictError, ReadConflictError

    with _deadline(storage, limit):
        while True:
            try:
                with _opened(storage) as root:
                    result = work(root)
                    manager = root._p_jar.transaction_manager
                    manager.get().note(note)
                    manager.commit()
                    return result
            except (ConflictError, ReadConflictError):
                time.sleep(random.uniform(0.01, 0.2))


def look(storage: Storage, work: Callable[[Root], T], *, limit: float = LIMIT) -> T | None:
    """What `work` says of the root; None for an empty storage, which stays empty."""
    from ZODB.POSException import ConflictError, ReadConflictError, ReadOnlyError

    with _deadline(storage, limit):
        while True:
            try:
                with _opened(storage, read_only=True) as root:
                    return work(root)
            except ReadOnlyError:
                # The root would have to be made.
                return None
            except (ConflictError, ReadConflictError):
                time.sleep(random.uniform(0.01, 0.2))


@contextlib.contextmanager
def _opened(storage: Storage, read_only: bool = False) -> Iterator[Root]:
    import ZEO
    from transaction import TransactionManager
    from ZODB import DB

    options: dict[str, Any] = {}
    if storage.tls:
        options = {"ssl": storage.tls.context(), "ssl_server_hostname": storage.tls.server_name}
    manager = TransactionManager()
    with contextlib.ExitStack() as closing:
        client = ZEO.client(
            list(storage.servers),
            storage=storage.storage,
            wait_timeout=storage.wait_timeout,
            read_only=read_only,
            # A handful of objects is looked at.
            cache_size=1 << 20,
            **options,
        )
        closing.callback(client.close)
        database = DB(client)
        closing.callback(database.close)
        connection = database.open(manager)
        closing.callback(connection.close)
        closing.callback(manager.abort)
        root = connection.root()
        if not read_only:
            # A decision that rests on what the root does not have must conflict, too.
            connection.readCurrent(root)
        yield root


@contextlib.contextmanager
def _deadline(storage: Storage, limit: float) -> Iterator[None]:
    """ClientDisconnected and a server that hangs are the same to a caller.

    A request that was sent has no time limit in ZEO; SIGALRM ends the wait, wherever
    it meets the program: what is being loaded at that moment may wrap the exception
    in another or go on without it, so the signal comes again.
    """
    from ZEO.Exceptions import ClientDisconnected
    from ZODB.POSException import ReadOnlyError

    servers = ", ".join(show(server) for server in storage.servers)

    late = TryLater(f"the storage '{storage.name}' on {servers} did not answer within {limit:g} s")
    is_late = False

    def expired(_signal: int, _frame: FrameType | None) -> None:
        nonlocal is_late
        is_late = True
        raise late

    before = signal.signal(signal.SIGALRM, expired)
    signal.setitimer(signal.ITIMER_REAL, limit, 1)
    try:
        yield
    except ClientDisconnected as error:
        raise TryLater(f"the connection to the storage '{storage.name}' on {servers} was lost") from error
    except ReadOnlyError as error:
        raise Fault(f"the storage '{storage.name}' on {servers} is read-only") from error
    except Exception as error:
        if is_late and error is not late:
            raise late from error
        raise
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
