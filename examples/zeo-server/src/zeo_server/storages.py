"""What zeo.conf says: the server's address, TLS and file storages."""

import os
import ssl
from dataclasses import dataclass

from ZConfig import schemaless
from ZEO.runzeo import ZEOOptions


class Fault(Exception):
    """Something that the administrator must know; exit status 1."""


@dataclass(frozen=True)
class Storage:
    """A file storage: its name, its file, and its directory of blobs."""

    name: str
    path: str
    blobs: str | None


@dataclass(frozen=True)
class Tls:
    """The server's certificate, with which its own tools are its clients, too:
    it must be among those that the server lets in."""

    certificate: str
    key: str | None

    def client_context(self) -> ssl.SSLContext:
        """For a connection to the very server that has this certificate."""
        context = ssl.create_default_context(cafile=self.certificate)
        context.check_hostname = False
        context.load_cert_chain(self.certificate, self.key)
        return context


@dataclass(frozen=True)
class Server:
    """A server as its configuration describes it."""

    address: tuple[str, int] | str
    tls: Tls | None
    storages: tuple[Storage, ...]

    def select(self, name: str | None) -> list[Storage]:
        """The storage of that name, or all."""
        chosen = [storage for storage in self.storages if name in (None, storage.name)]
        if not chosen:
            raise Fault(f"there is no file storage '{name}'")
        return chosen


def read(path: str) -> Server:
    """The server that a configuration file describes. Raises SystemExit as runzeo does."""
    if not os.access(path, os.R_OK):
        raise Fault(f"cannot read {path}")
    options = ZEOOptions()
    options.realize(["-C", path])
    storages = [
        Storage(opener.name, opener.config.path, getattr(opener.config, "blob_dir", None))
        for opener in options.storages
        if hasattr(opener.config, "path")
    ]
    address = options.address
    if isinstance(address, tuple) and not address[0]:
        address = ("127.0.0.1", address[1])
    return Server(address, _tls(path) if options.ssl else None, tuple(storages))


def _tls(path: str) -> Tls:
    # The schema's own values are a context for a server.
    with open(path, encoding="utf-8") as file:
        configuration = schemaless.loadConfigFile(file)
    zeo = next(section for section in configuration.sections if section.type == "zeo")
    section = next(section for section in zeo.sections if section.type == "ssl")
    return Tls(section["certificate"][-1], section.get("key", [None])[-1])
