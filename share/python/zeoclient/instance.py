"""An instance of the application: what comes before its start, and the start.

``prepare`` makes the first administrator and brings the data to this version;
``serve`` becomes the server. Why an instance does not start is in a file of the
runtime directory, for :mod:`health` to tell.
"""

from __future__ import annotations

import contextlib
import os
import resource
import sys
import time
from collections.abc import Callable, Iterator
from typing import NoReturn

from . import database, say
from .configuration import Configuration, Server, show
from .errors import Fault, TryLater, Usage

#: Seconds between two attempts where the server is away.
PAUSE = 5.0
#: Name of the variable with the directory of an instance's caches.
CACHE = "ZEOCLIENT_CACHE"
#: What the application's server may load of ours.
WSGI = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "wsgi")


def server(configuration: Configuration, number: int) -> Server:
    """The configuration's server, which must have this instance."""
    found = configuration.server
    if found is None:
        raise Usage("the configuration has no [server]")
    if not 0 <= number < len(found.listen):
        raise Usage(f"there is no instance {number}; there are {len(found.listen)}, from 0 on")
    return found


def reason_file(found: Server, number: int) -> str:
    """The file that says why an instance does not start."""
    return os.path.join(found.runtime, f"instance-{number}.reason")


def cache(found: Server, name: str) -> str:
    """A directory for caches, made where it is missing."""
    path = os.path.join(found.cache, name)
    try:
        os.makedirs(path, mode=0o750, exist_ok=True)
    except OSError as error:
        raise Fault(f"cannot make {path}: {error.strerror}", "it belongs to the user of the service") from error
    return path


def prepare(configuration: Configuration, number: int, password: Callable[[], str], keep_trying: bool) -> None:
    """Seed and upgrade the main storage, as far as the configuration says so.

    With `keep_trying` a server that is away is waited for, for ever.
    """
    found = server(configuration, number)
    known: list[str] = []

    def once() -> str:
        # A descriptor can be read once.
        if not known:
            known.append(password())
        return known[0]

    while True:
        try:
            with _told(found, number):
                _prepare(configuration, once)
            return
        except TryLater as fault:
            if not keep_trying:
                raise
            say(f"zeoclient: {fault}; trying again", file=sys.stderr, flush=True)
            time.sleep(PAUSE)


def serve(configuration: Configuration, number: int) -> NoReturn:
    """Become the server of this instance."""
    found = server(configuration, number)
    address = found.listen[number]
    host, port = (address, "") if isinstance(address, str) else (address[0], str(address[1]))
    environment = {**os.environ, CACHE: cache(found, str(number))}
    if os.path.isdir(WSGI):
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, (os.environ.get("PYTHONPATH"), WSGI)))
    values = {"{host}": host, "{port}": port, "{instance}": str(number)}
    words = []
    for word in found.command:
        for name, value in values.items():
            word = word.replace(name, value)
        words.append(word)
    # What was set for the password's sake is not the application's.
    resource.setrlimit(resource.RLIMIT_CORE, (resource.getrlimit(resource.RLIMIT_CORE)[1],) * 2)
    sys.stdout.flush()
    try:
        os.execve(words[0], words, environment)
    except OSError as error:
        raise Fault(f"cannot start {words[0]} for {show(address)}: {error.strerror}") from error


def _prepare(configuration: Configuration, password: Callable[[], str]) -> None:
    # ZODB is loaded only where somebody listens.
    database.reachable(configuration)
    if configuration.bootstrap is not None:
        from . import bootstrap

        outcome = bootstrap.seed(configuration, password())
        if outcome.file:
            say(f"the administrator has been made; the password is in {outcome.file}")
    if configuration.upgrade is not None:
        from . import upgrade

        if upgrade.run(configuration):
            say(f"the data has been upgraded to {configuration.upgrade.version}")


@contextlib.contextmanager
def _told(found: Server, number: int) -> Iterator[None]:
    path = reason_file(found, number)
    try:
        yield
    except Fault as fault:
        # It is a convenience: the fault itself is in the log.
        with contextlib.suppress(OSError), open(path, "w", encoding="utf-8") as file:
            file.write(f"{fault}\n")
        raise
    else:
        with contextlib.suppress(OSError):
            os.unlink(path)
