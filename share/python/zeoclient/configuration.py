"""The configuration file: TOML in, checked values out.

    format = 1
    package = "notes"
    state = "/var/lib/notes"            # the service user's own directory

    [[storage]]
    name = "main"
    servers = "127.0.0.1:8100"          # several, or a list; [::1]:8100, /run/zeo.sock
    storage = "1"                       # as the server calls it (default)
    mount = "/"                         # where the application has it (default)
    wait-timeout = 5                    # seconds (default)

    [storage.tls]                       # absent: no TLS
    ca = "/etc/notes/ca.pem"            # file or directory; absent: the system's
    cert = "/etc/notes/node.pem"        # what the server asks of its clients
    key = "/etc/notes/node.key"
    server-name = "zeo.example.org"     # default: the server's address
    check-server-name = true

    [bootstrap]                         # absent: no administrator is made
    framework = "zope"                  # zope, grok, custom
    user = "admin"
    seed = "notes.setup:seed"           # custom only

    [upgrade]                           # absent: nothing runs
    version = "1.2"
    command = ["/usr/lib/notes/venv/bin/notes", "evolve"]
    restartable = false
    new-storage = "run"                 # or "skip": a storage without any data has this version

    [server]                            # absent: other means start the application
    command = ["/usr/lib/notes/venv/bin/runwsgi", "/etc/notes/zope.ini", "host={host}", "port={port}"]
    listen = ["127.0.0.1:8080"]         # one for each instance
    cache = "/var/cache/notes"
    runtime = "/run/notes"
    health = "/health"                  # absent: any page that is no error of the server's

It holds no secret. The storage mounted at ``/`` is the one that has the
administrator and the record of upgrades.
"""

from __future__ import annotations

import os
import ssl
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .errors import Usage

FORMAT = 1
FRAMEWORKS = ("zope", "grok", "custom")
Address = tuple[str, int] | str


@dataclass(frozen=True)
class Tls:
    """How this client speaks TLS; the fields are those of ZEO's <ssl> section."""

    ca: str | None
    cert: str | None
    key: str | None
    server_name: str | None
    check_server_name: bool

    def context(self) -> ssl.SSLContext:
        """The context that ZEO.zconfig.client_ssl makes of the same values."""
        try:
            directory = self.ca is not None and os.path.isdir(self.ca)
            context = ssl.create_default_context(
                ssl.Purpose.SERVER_AUTH,
                cafile=None if directory else self.ca,
                capath=self.ca if directory else None,
            )
            if self.cert:
                # Without a password function OpenSSL would ask on the terminal.
                context.load_cert_chain(self.cert, self.key, password=_no_password)
        except (OSError, ssl.SSLError) as error:
            names = ", ".join(filter(None, (self.ca, self.cert, self.key)))
            raise Usage(
                f"the TLS files cannot be used ({names}): {error}",
                "check the paths, that the key belongs to the certificate and has no "
                "passphrase, and that this user may read them",
            ) from error
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        if context.cert_store_stats()["crl"]:
            context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
        context.check_hostname = self.check_server_name
        return context


@dataclass(frozen=True)
class Storage:
    """A storage on a server, or on several that serve the same."""

    name: str
    servers: tuple[Address, ...]
    storage: str = "1"
    mount: str = "/"
    wait_timeout: int = 5
    tls: Tls | None = None


@dataclass(frozen=True)
class Bootstrap:
    """Who the first administrator is, and how one is made."""

    framework: str
    user: str
    seed: str | None = None


@dataclass(frozen=True)
class Upgrade:
    """What brings a storage to this version of the application."""

    version: str
    command: tuple[str, ...]
    restartable: bool = False
    skip_new: bool = False


@dataclass(frozen=True)
class Server:
    """How the instances are started, and where they listen."""

    command: tuple[str, ...]
    listen: tuple[Address, ...]
    cache: str
    runtime: str
    health: str | None = None


@dataclass(frozen=True)
class Configuration:
    """Everything in the file."""

    package: str
    state: str
    storages: tuple[Storage, ...]
    bootstrap: Bootstrap | None = None
    upgrade: Upgrade | None = None
    server: Server | None = None

    @property
    def main(self) -> Storage:
        """The storage mounted at ``/``."""
        return next(storage for storage in self.storages if storage.mount == "/")


def read(path: str) -> Configuration:
    """The configuration in a file. Raises Usage, which names the file."""
    try:
        with open(path, "rb") as file:
            table = tomllib.load(file)
    except OSError as error:
        raise Usage(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise Usage(f"{path} is not TOML: {error}") from error
    return from_table(table, path)


def from_table(table: Mapping[str, Any], path: str) -> Configuration:
    """The configuration in a parsed file; `path` is for messages."""
    top = _Table(table, path)
    number = top.take("format", int, FORMAT)
    if number != FORMAT:
        raise Usage(f"{path} has format {number}, this version reads format {FORMAT}")
    configuration = Configuration(
        package=top.take("package", str),
        state=top.take("state", str),
        storages=tuple(_storage(_Table(one, f"{path}, storage")) for one in top.take("storage", list)),
        bootstrap=_bootstrap(top.table("bootstrap")),
        upgrade=_upgrade(top.table("upgrade")),
        server=_server(top.table("server")),
    )
    top.done()
    if not os.path.isabs(configuration.state):
        raise Usage(f"{path}: state must be an absolute path")
    for kind, values in (
        ("name", [storage.name for storage in configuration.storages]),
        ("mount", [storage.mount for storage in configuration.storages]),
    ):
        if len(set(values)) != len(values):
            raise Usage(f"{path}: two storages have the same {kind}")
    if "/" not in (storage.mount for storage in configuration.storages):
        raise Usage(f'{path}: no storage has mount = "/"')
    return configuration


def address(text: str) -> Address:
    """An address as it is written: HOST:PORT, [IPV6]:PORT or the path of a socket."""
    if text.startswith("/"):
        return text
    host, colon, port = text.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        host = ""
    if not (colon and host and port.isdigit() and 0 < int(port) < 65536):
        raise Usage(f"'{text}' is no address of a server", "write HOST:PORT, [IPV6]:PORT or /path/of/a/socket")
    return host, int(port)


def show(server: Address) -> str:
    """An address, as :func:`address` reads it."""
    if isinstance(server, str):
        return server
    host, port = server
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class _Table:
    """A table of which every key must be asked for."""

    def __init__(self, table: Mapping[str, Any], place: str) -> None:
        self.place = place
        if not isinstance(table, Mapping):
            raise Usage(f"{place}: a table is expected")
        self.rest = dict(table)

    def take(self, key: str, kind: type, default: Any = ...) -> Any:
        value = self.rest.pop(key, default)
        if value is ...:
            raise Usage(f"{self.place}: {key} is missing")
        # TOML's booleans are Python's integers.
        if value is not default and (not isinstance(value, kind) or (kind is int and isinstance(value, bool))):
            raise Usage(f"{self.place}: {key} has the wrong type")
        return value

    def table(self, key: str) -> _Table | None:
        value = self.rest.pop(key, None)
        return None if value is None else _Table(value, f"{self.place}, {key}")

    def done(self) -> None:
        if self.rest:
            raise Usage(f"{self.place}: unknown key {min(self.rest)}")


def _storage(table: _Table) -> Storage:
    servers = table.take("servers", (list, str))  # type: ignore[arg-type]
    words = servers.split() if isinstance(servers, str) else servers
    if not words or not all(isinstance(word, str) for word in words):
        raise Usage(f"{table.place}: servers names no server")
    timeout = table.take("wait-timeout", int, 5)
    if not 1 <= timeout <= 3600:
        raise Usage(f"{table.place}: wait-timeout is not between 1 and 3600 seconds")
    storage = Storage(
        name=table.take("name", str, "main"),
        servers=tuple(address(word) for word in words),
        storage=table.take("storage", str, "1"),
        mount=table.take("mount", str, "/"),
        wait_timeout=timeout,
        tls=_tls(table.table("tls")),
    )
    table.done()
    return storage


def _tls(table: _Table | None) -> Tls | None:
    if table is None:
        return None
    tls = Tls(
        ca=table.take("ca", str, "") or None,
        cert=table.take("cert", str, "") or None,
        key=table.take("key", str, "") or None,
        server_name=table.take("server-name", str, "") or None,
        check_server_name=table.take("check-server-name", bool, True),
    )
    table.done()
    return tls


def _bootstrap(table: _Table | None) -> Bootstrap | None:
    if table is None:
        return None
    bootstrap = Bootstrap(
        framework=table.take("framework", str),
        user=table.take("user", str, "admin"),
        seed=table.take("seed", str, "") or None,
    )
    table.done()
    if bootstrap.framework not in FRAMEWORKS:
        raise Usage(f"{table.place}: framework is none of {', '.join(FRAMEWORKS)}")
    if (bootstrap.framework == "custom") != (bootstrap.seed is not None):
        raise Usage(f'{table.place}: seed = "MODULE:FUNCTION" belongs to framework = "custom"')
    if not bootstrap.user or any(letter in bootstrap.user for letter in ":\n"):
        raise Usage(f"{table.place}: the user's name is empty or has a colon or line break")
    return bootstrap


def _upgrade(table: _Table | None) -> Upgrade | None:
    if table is None:
        return None
    command = table.take("command", list)
    upgrade = Upgrade(
        version=table.take("version", str),
        command=tuple(command),
        restartable=table.take("restartable", bool, False),
        skip_new=_choice(table, "new-storage", ("run", "skip")) == "skip",
    )
    table.done()
    _require_words(table, "command", command)
    return upgrade


def _server(table: _Table | None) -> Server | None:
    if table is None:
        return None
    command, listen = table.take("command", list), table.take("listen", list)
    server = Server(
        command=tuple(command),
        listen=tuple(address(str(one)) for one in listen),
        cache=table.take("cache", str),
        runtime=table.take("runtime", str),
        health=table.take("health", str, "") or None,
    )
    table.done()
    _require_words(table, "command", command)
    _require_words(table, "listen", listen)
    return server


def _require_words(table: _Table, key: str, words: list[Any]) -> None:
    if not words or not all(isinstance(word, str) for word in words):
        raise Usage(f"{table.place}: {key} is not a list of words")


def _choice(table: _Table, key: str, words: tuple[str, ...]) -> str:
    """One of these words; the first one where the key is absent."""
    word: str = table.take(key, str, words[0])
    if word not in words:
        raise Usage(f"{table.place}: {key} is none of {', '.join(words)}")
    return word


def _no_password() -> bytes:
    raise ssl.SSLError("the key has a passphrase")
