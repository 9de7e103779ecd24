"""Ask a ZEO server what state it is in, within a deadline.

This speaks the first words of ZEO's protocol and no more: a message is four
bytes of length (big-endian) and that many bytes; the server greets with its
protocol, such as ``Z5``; to ``ruok`` it answers with the statistics of its
storages as JSON and closes (ZEO/asyncio/server.py, finish_connection). Nothing
is opened, so an empty storage stays empty.

A server that waits for TLS says nothing until the client has begun, exactly as
one that hangs. So where no greeting comes, a second connection begins TLS;
whichever of the two is answered first tells which it is.
"""

from __future__ import annotations

import contextlib
import enum
import json
import selectors
import socket
import ssl
import struct
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from .configuration import Address, Storage, Tls, show

#: Seconds for a probe. An interpreter starts in less than three more on a busy
#: machine, so that whoever asks has an answer within six.
TIMEOUT = 3.0
#: Seconds before a server that has not greeted is suspected of waiting for TLS.
PATIENCE = 0.5
#: More than this is no answer of a ZEO server, in bytes.
LONGEST = 4 << 20
NO_TRANSACTION = "0" * 16
#: A TLS record begins with its type (alert, handshake) and the major version 3.
TLS_RECORDS = (b"\x15\x03", b"\x16\x03")


class Result(enum.Enum):
    """What a probe finds, from best to worst: word, exit status, monitoring status."""

    DATA = ("data", 0, 0)
    EMPTY = ("empty", 10, 1)
    MUTE = ("mute", 12, 2)
    UNREACHABLE = ("unreachable", 11, 2)
    TLS_EXPECTED = ("tls-expected", 13, 2)
    FAILED = ("failed", 1, 3)

    def __init__(self, word: str, status: int, monitoring: int) -> None:
        self.word = word
        self.status = status
        self.monitoring = monitoring

    @property
    def rank(self) -> int:
        """0 for the best."""
        return list(Result).index(self)

    @property
    def answers(self) -> bool:
        """Whether the storage can be used."""
        return self in (Result.DATA, Result.EMPTY)


@dataclass(frozen=True)
class Finding:
    """One server's result."""

    server: Address
    result: Result
    detail: str
    seconds: float

    def as_json(self) -> dict[str, Any]:
        """For --json."""
        return {
            "server": show(self.server),
            "result": self.result.word,
            "detail": self.detail,
            "seconds": round(self.seconds, 3),
        }


def storage(wanted: Storage, timeout: float) -> list[Finding]:
    """Findings for each server of a storage, asked at the same time, the best
    first: a client uses any server that answers. `timeout` is for all, in seconds."""
    findings: list[Finding] = []
    context = wanted.tls.context() if wanted.tls else None

    def ask(server: Address) -> None:
        findings.append(_server(server, wanted, context, timeout))

    threads = [threading.Thread(target=ask, args=(server,)) for server in wanted.servers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(findings, key=lambda found: (found.result.rank, wanted.servers.index(found.server)))


class _Answer(Exception):
    """Ends a probe early with its result."""

    def __init__(self, result: Result, detail: str) -> None:
        super().__init__(detail)
        self.result = result
        self.detail = detail


class _Clock:
    """What is left of the time, in seconds."""

    def __init__(self, timeout: float) -> None:
        self.began = time.monotonic()
        self.timeout = timeout

    def spent(self) -> float:
        return time.monotonic() - self.began

    def left(self) -> float:
        left = self.timeout - self.spent()
        if left <= 0:
            raise TimeoutError
        return left


def _server(server: Address, wanted: Storage, context: ssl.SSLContext | None, timeout: float) -> Finding:
    clock = _Clock(timeout)
    try:
        with _connect(server, clock) as connection:
            if context and wanted.tls:
                with _begin_tls(connection, context, server, wanted.tls, clock) as secure:
                    _judge(_conversation(secure, clock), wanted.storage)
            else:
                _await_greeting(connection, server, clock)
                _judge(_conversation(connection, clock), wanted.storage)
    except _Answer as answer:
        return Finding(server, answer.result, answer.detail, clock.spent())
    except TimeoutError:
        return Finding(server, Result.MUTE, f"no answer within {timeout:g} s", clock.spent())
    except ssl.SSLError as error:
        return Finding(server, Result.FAILED, f"TLS: {error.reason or error}", clock.spent())
    except ConnectionError as error:
        if context:
            detail = f"the server ended the TLS connection ({error}): does it ask for another client certificate?"
            return Finding(server, Result.FAILED, detail, clock.spent())
        return Finding(server, Result.UNREACHABLE, str(error).lower(), clock.spent())
    except OSError as error:
        return Finding(server, Result.FAILED, str(error), clock.spent())
    raise AssertionError("a probe ends with an answer")


def _connect(server: Address, clock: _Clock) -> socket.socket:
    reason = "no address"
    for family, target in _addresses(server, clock):
        connection = socket.socket(family, socket.SOCK_STREAM)
        try:
            connection.settimeout(clock.left())
            connection.connect(target)
            return connection
        except TimeoutError:
            connection.close()
            reason = "no connection in time"
            break
        except OSError as error:
            connection.close()
            reason = (error.strerror or str(error)).lower()
    raise _Answer(Result.UNREACHABLE, reason)


def _addresses(server: Address, clock: _Clock) -> Iterable[tuple[int, Any]]:
    if isinstance(server, str):
        return [(socket.AF_UNIX, server)]
    found: list[tuple[int, Any]] = []
    failure: list[str] = []

    def look_up() -> None:
        try:
            for family, _, _, _, target in socket.getaddrinfo(*server, type=socket.SOCK_STREAM):
                found.append((family, target))
        except OSError as error:
            failure.append(f"{server[0]}: {error.strerror or error}")

    # getaddrinfo has no time limit; a thread that is still at it dies with the process.
    thread = threading.Thread(target=look_up, daemon=True)
    thread.start()
    thread.join(clock.left())
    if thread.is_alive():
        failure.append(f"{server[0]}: no answer from the name server")
    if failure:
        raise _Answer(Result.UNREACHABLE, failure[0])
    return found


def _await_greeting(connection: socket.socket, server: Address, clock: _Clock) -> None:
    """Return when the server speaks, or find out that it waits for TLS."""
    with selectors.DefaultSelector() as waiting:
        waiting.register(connection, selectors.EVENT_READ)
        if waiting.select(min(PATIENCE, clock.left())):
            return
        if _answers_tls(server, connection, waiting, clock):
            raise _Answer(Result.TLS_EXPECTED, "the server speaks TLS, and this client is not configured for it")
        # Slow, but perhaps a ZEO server after all.
        if not waiting.select(clock.left()):
            raise TimeoutError


def _answers_tls(
    server: Address, first: socket.socket, waiting: selectors.BaseSelector, clock: _Clock
) -> bool:
    """Whether a second connection that begins TLS is answered with TLS, before the
    first one is with anything. A server that takes no second one says nothing by that."""
    start = b""
    with contextlib.suppress(ConnectionError, _Answer), _connect(server, clock) as second:
        waiting.register(second, selectors.EVENT_READ)
        try:
            second.sendall(_client_hello())
            # A record may come in pieces.
            while len(start) < len(TLS_RECORDS[0]):
                ready = waiting.select(clock.left())
                if not ready:
                    raise TimeoutError
                if any(key.fileobj is first for key, _ in ready):
                    return False
                piece = second.recv(len(TLS_RECORDS[0]) - len(start))
                if not piece:
                    return False
                start += piece
        finally:
            waiting.unregister(second)
    return start in TLS_RECORDS


def _client_hello() -> bytes:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    outgoing = ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), outgoing).do_handshake()
    return outgoing.read()


def _begin_tls(
    connection: socket.socket, context: ssl.SSLContext, server: Address, tls: Tls, clock: _Clock
) -> ssl.SSLSocket:
    connection.settimeout(clock.left())
    name = tls.server_name or (server[0] if not isinstance(server, str) else "")
    try:
        return context.wrap_socket(connection, server_hostname=name)
    except ssl.SSLCertVerificationError as error:
        raise _Answer(Result.FAILED, f"the server's certificate: {error.verify_message}") from error
    except ssl.SSLError as error:
        if error.reason in ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE"):
            raise _Answer(Result.FAILED, "TLS is configured, and the server does not speak it") from error
        raise


def _conversation(connection: socket.socket, clock: _Clock) -> bytes:
    greeting = _message(connection, clock)
    if len(greeting) < 2 or greeting[:1] not in b"ZM":
        raise _Answer(Result.FAILED, "this is not a ZEO server")
    connection.settimeout(clock.left())
    connection.sendall(b"\0\0\0\4ruok")
    return _message(connection, clock)


def _message(connection: socket.socket, clock: _Clock) -> bytes:
    (length,) = struct.unpack(">I", _bytes(connection, 4, clock))
    if length > LONGEST:
        raise _Answer(Result.FAILED, "this is not a ZEO server")
    return _bytes(connection, length, clock)


def _bytes(connection: socket.socket, count: int, clock: _Clock) -> bytes:
    data = b""
    while len(data) < count:
        connection.settimeout(clock.left())
        piece = connection.recv(count - len(data))
        if not piece:
            raise ConnectionResetError("the connection was closed")
        data += piece
    return data


def _judge(answer: bytes, name: str) -> None:
    try:
        storages = json.loads(answer)
        transaction = storages[name]["last-transaction"] if name in storages else None
    except (ValueError, TypeError, KeyError) as error:
        raise _Answer(Result.FAILED, "this is not a ZEO server") from error
    if transaction is None:
        known = ", ".join(sorted(storages)) or "none"
        raise _Answer(Result.FAILED, f"the server has no storage '{name}' (it has: {known})")
    if transaction == NO_TRANSACTION:
        raise _Answer(Result.EMPTY, "the storage is empty")
    raise _Answer(Result.DATA, f"last transaction {transaction}")
