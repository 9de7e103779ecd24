"""Whether an instance serves; where it does not, why.

Loads neither ZODB nor the framework: it is asked again and again while the
application starts.
"""

from __future__ import annotations

import contextlib
import socket

from . import instance, probe
from .configuration import Address, Configuration, show
from .errors import Fault, TryLater

ANY = {"*": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}


def check(configuration: Configuration, number: int, timeout: float) -> str:
    """What a healthy instance answers. Raises TryLater where it cannot serve
    before something else has happened, and Fault where it does not serve yet."""
    found = instance.server(configuration, number)
    address = found.listen[number]
    path = found.health or "/"
    try:
        status = _ask(address, path, timeout)
    except OSError as error:
        answer = f"{show(address)}: {(error.strerror or str(error) or 'no answer').lower()}"
    else:
        answer = f"{show(address)}{path} answers {status}"
        # A page that wants a password is a page.
        if 200 <= status < (400 if found.health else 500):
            return answer
    reason = ""
    with contextlib.suppress(OSError), open(instance.reason_file(found, number), encoding="utf-8") as file:
        reason = file.read().strip()
    if reason:
        raise TryLater(reason)
    for storage in configuration.storages:
        best = probe.storage(storage, min(timeout, probe.TIMEOUT))[0]
        if not best.result.answers:
            raise TryLater(f"{answer}; the storage '{storage.name}': {best.result.word}: {best.detail}")
    raise Fault(answer)


def _ask(address: Address, path: str, timeout: float) -> int:
    if isinstance(address, str):
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(timeout)
        with contextlib.closing(connection):
            connection.connect(address)
            return _status(connection, "localhost", path)
    host = ANY.get(address[0], address[0])
    with socket.create_connection((host, address[1]), timeout) as connection:
        return _status(connection, show((host, address[1])), path)


def _status(connection: socket.socket, host: str, path: str) -> int:
    request = f"GET {path} HTTP/1.0\r\nHost: {host}\r\nUser-Agent: zeoclient\r\n\r\n"
    connection.sendall(request.encode("ascii"))
    start = b""
    while len(start) < 12:
        piece = connection.recv(64)
        if not piece:
            raise ConnectionResetError("the connection was closed")
        start += piece
    words = start.split(b" ", 2)
    if not start.startswith(b"HTTP/1.") or not words[1][:3].isdigit():
        raise OSError("it does not speak HTTP")
    return int(words[1][:3])
