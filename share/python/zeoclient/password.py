"""The administrator's password: where it comes from, and the file it is found in.

A password comes from a file descriptor or a file that only its owner reads
(systemd's LoadCredential is one), or is made here; never from an argument or
the environment. It is written to ``initial-admin-password`` only, 0600.

Between the moment when the database has the password and the moment when the
file has its name, the process may die. So the password is on disk before the
commit, in a file named after a claim: a random word that is also in the
database's marker. Whoever comes next compares: the file of the claim that the
database has is the one that won, all others are worthless.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import stat
import time
from collections.abc import Iterator

from .errors import Fault, TryLater, Usage

#: A password has at least so many characters.
SHORTEST = 24
LONGEST = 1024
FINAL = "initial-admin-password"
PENDING = f".{FINAL}."
LOCK = ".zeoclient.lock"
#: Name of the credential (systemd.exec(5), LoadCredential=).
CREDENTIAL = "admin-password"


def obtain(descriptor: int | None, path: str | None) -> str:
    """The password from a descriptor, else a file, else the credential of
    this service, else a new one."""
    credentials = os.environ.get("CREDENTIALS_DIRECTORY")
    if descriptor is not None:
        data = _read(descriptor, f"descriptor {descriptor}")
    elif path is not None:
        data = _read(_open(path), path)
    elif credentials and os.path.exists(os.path.join(credentials, CREDENTIAL)):
        credential = os.path.join(credentials, CREDENTIAL)
        data = _read(os.open(credential, os.O_RDONLY | os.O_CLOEXEC), credential)
        # As SetCredential= gives it where there is no file to load; it knows no empty value.
        if not data.strip():
            return secrets.token_urlsafe(SHORTEST)
    else:
        return secrets.token_urlsafe(SHORTEST)
    try:
        password = data.removesuffix(b"\n").decode()
    except UnicodeDecodeError:
        # Not chained: the error's own text quotes the password.
        raise Usage("the password is not UTF-8") from None
    if not SHORTEST <= len(password) <= LONGEST:
        raise Usage(f"the password has less than {SHORTEST} or more than {LONGEST} characters")
    if not password.isprintable():
        raise Usage("the password has a control character or a line break")
    return password


class Vault:
    """The directory that has, or will have, the file with the password."""

    def __init__(self, directory: str) -> None:
        self.directory = directory

    @property
    def path(self) -> str:
        """The file that an administrator reads."""
        return os.path.join(self.directory, FINAL)

    @contextlib.contextmanager
    def locked(self, limit: float = 30.0) -> Iterator[None]:
        """One process at a time on this machine; ends with the process."""
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            lock = os.open(os.path.join(self.directory, LOCK), flags, 0o600)
        except OSError as error:
            raise Fault(
                f"cannot write to {self.directory}: {error.strerror}",
                "it must be a directory of the user that the service runs as",
            ) from error
        try:
            until = time.monotonic() + limit
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > until:
                        raise TryLater(f"another process has held {self.directory}/{LOCK} for {limit:g} s") from None
                    time.sleep(0.02)
            yield
        finally:
            os.close(lock)

    def keep(self, claim: str, header: str, password: str) -> None:
        """Put the password on disk under its claim, to last through a power failure."""
        text = "".join(f"# {line}\n" for line in header.splitlines()) + password + "\n"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(os.path.join(self.directory, PENDING + claim), flags, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        self._sync()

    def keeps(self, claim: str) -> bool:
        """Whether the password of a claim is on disk."""
        return os.path.exists(os.path.join(self.directory, PENDING + claim))

    def settle(self, claim: str) -> bool:
        """The database has this claim: its file gets its name, all others go.
        Whether it was here."""
        pending = sorted(name for name in os.listdir(self.directory) if name.startswith(PENDING))
        won = PENDING + claim in pending
        if won:
            os.replace(os.path.join(self.directory, PENDING + claim), self.path)
        for name in pending:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(os.path.join(self.directory, name))
        if pending:
            self._sync()
        return won

    def forget(self) -> bool:
        """Delete the file that an administrator reads. Whether there was one."""
        try:
            os.unlink(self.path)
        except FileNotFoundError:
            return False
        self._sync()
        return True

    def _sync(self) -> None:
        directory = os.open(self.directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


def _open(path: str) -> int:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise Usage(f"cannot read {path}: {error.strerror}") from error
    if stat.S_IMODE(os.fstat(descriptor).st_mode) & 0o077:
        os.close(descriptor)
        raise Usage(f"{path} can be read by others than its owner", f"chmod 600 {path}, and choose another password")
    return descriptor


def _read(descriptor: int, name: str) -> bytes:
    try:
        with os.fdopen(descriptor, "rb") as file:
            return file.read(LONGEST * 4 + 2)
    except OSError as error:
        raise Usage(f"cannot read {name}: {error.strerror}") from error
