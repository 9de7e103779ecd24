"""Backups by repozo, and of the blobs, which repozo does not know.

A backup of the storage NAME is DIRECTORY/NAME: repozo's files, and below
``blobs`` a copy of every blob. A blob never changes, so one that is there is
not copied again; one that packing has removed moves to ``blobs-gone/DATE`` and
stays as long as the backups that may refer to it.
"""

import datetime
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator

from .storages import Fault, Storage

#: How repozo names its files: the date in UTC.
STAMP = "%Y-%m-%d-%H-%M-%S"
FULL = (".fs", ".fsz")


def repozo(*words: str) -> None:
    """Run repozo; its messages are the caller's."""
    command = [sys.executable, "-m", "ZODB.scripts.repozo", *words]
    if subprocess.run(command, stdin=subprocess.DEVNULL).returncode != 0:
        raise Fault(f"repozo failed: {' '.join(words)}")


def make(storage: Storage, directory: str, keep: int, now: datetime.datetime) -> None:
    """Back up what a running server has, and drop backups older than `keep` days."""
    place = os.path.join(directory, storage.name)
    os.makedirs(place, mode=0o750, exist_ok=True)
    repozo("--backup", "--quick", "--gzip", "--file", storage.path, "--repository", place)
    # After the file, so that every blob it refers to is there already.
    if storage.blobs and os.path.isdir(storage.blobs):
        _copy_blobs(storage.blobs, place, now)
    repozo("--verify", "--quick", "--repository", place)
    _drop(place, now - datetime.timedelta(days=keep))


def restore(storage: Storage, directory: str, date: str | None, now: datetime.datetime) -> str:
    """Put a backup in the place of the storage's file and blobs, which are kept
    beside it. The name they got; the server must not run."""
    place = os.path.join(directory, storage.name)
    if not _names(place):
        raise Fault(f"there is no backup in {place}")
    new = storage.path + ".restored"
    _remove(new)
    dates = ["--date", date] if date else []
    repozo("--recover", "--with-verify", "--repository", place, "--output", new, *dates)
    aside = now.strftime(f".before-{STAMP}")
    # The index belongs to the old file; a missing one is made at the start.
    for path in (storage.path, storage.path + ".index"):
        if os.path.exists(path):
            os.rename(path, path + aside)
    if os.path.exists(new + ".index"):
        os.rename(new + ".index", storage.path + ".index")
    os.rename(new, storage.path)
    if storage.blobs:
        _restore_blobs(storage.blobs, place, aside)
    return aside


def listing(storage: Storage, directory: str) -> list[str]:
    """The dates that a storage can be restored to, the oldest first."""
    return [name.split(".")[0] for name in _names(os.path.join(directory, storage.name))]


def _names(place: str) -> list[str]:
    """repozo's data files, full and incremental, the oldest first."""
    endings = (".fs", ".fsz", ".deltafs", ".deltafsz")
    names = os.listdir(place) if os.path.isdir(place) else []
    return sorted(name for name in names if name.endswith(endings))


def _drop(place: str, before: datetime.datetime) -> None:
    """Remove whole series (a full backup and what follows it) that ended before."""
    limit = before.strftime(STAMP)
    full = [name.split(".")[0] for name in _names(place) if name.endswith(FULL)]
    kept = max((stamp for stamp in full if stamp <= limit), default="")
    for name in sorted(os.listdir(place)):
        if name[:1].isdigit() and name.split(".")[0] < kept:
            os.unlink(os.path.join(place, name))
    gone = os.path.join(place, "blobs-gone")
    for stamp in sorted(os.listdir(gone)) if os.path.isdir(gone) else []:
        if stamp < kept:
            shutil.rmtree(os.path.join(gone, stamp))


def _copy_blobs(blobs: str, place: str, now: datetime.datetime) -> None:
    backup = os.path.join(place, "blobs")
    live = set(_files(blobs))
    for path in sorted(live):
        target = os.path.join(backup, path)
        if os.path.exists(target):
            continue
        os.makedirs(os.path.dirname(target), mode=0o750, exist_ok=True)
        try:
            shutil.copy2(os.path.join(blobs, path), target + ".part")
        except FileNotFoundError:
            # Packed away since it was listed.
            continue
        os.rename(target + ".part", target)
    for path in sorted(set(_files(backup)) - live):
        target = os.path.join(place, "blobs-gone", now.strftime(STAMP), path)
        os.makedirs(os.path.dirname(target), mode=0o750, exist_ok=True)
        os.rename(os.path.join(backup, path), target)


def _restore_blobs(blobs: str, place: str, aside: str) -> None:
    if os.path.exists(blobs):
        os.rename(blobs, blobs.rstrip("/") + aside)
    os.makedirs(blobs, mode=0o700)
    gone = os.path.join(place, "blobs-gone")
    parts = [os.path.join(gone, stamp) for stamp in sorted(os.listdir(gone))] if os.path.isdir(gone) else []
    for part in (*parts, os.path.join(place, "blobs")):
        if os.path.isdir(part):
            shutil.copytree(part, blobs, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.part"))


def _files(directory: str) -> Iterator[str]:
    """Paths of all files below, but for the server's own temporary ones."""
    for parent, names, files in os.walk(directory):
        names[:] = [name for name in names if name != "tmp"]
        for name in files:
            if not name.endswith((".part", ".lock")):
                yield os.path.relpath(os.path.join(parent, name), directory)


def _remove(path: str) -> None:
    for one in (path, path + ".index"):
        if os.path.exists(one):
            os.unlink(one)
