"""The command ``zeo-server``; zeo-server(8) describes it."""

import argparse
import datetime
import os
import sys
import time

import ZEO
from ZEO.Exceptions import ClientDisconnected

from . import backup, storages
from .storages import Fault, Server

CONFIGURATION = "/etc/zeo-server/zeo.conf"
BACKUPS = "/var/backups/zeo-server"


def main(words=None):
    """Exit status: 0 done, 1 failed, 2 wrong command line."""
    options = _parser().parse_args(words)
    try:
        server = storages.read(options.config)
        _become_owner(server)
        return options.run(server, options)
    except (Fault, OSError) as fault:
        print(f"zeo-server: error: {fault}", file=sys.stderr)
        return 1


def _parser():
    parser = argparse.ArgumentParser(
        prog="zeo-server", description="Pack, back up and restore a ZEO server's storages."
    )
    parser.add_argument("--config", default=CONFIGURATION, metavar="FILE", help=f"the server's ({CONFIGURATION})")
    parser.add_argument("--backups", default=BACKUPS, metavar="DIRECTORY", help=f"where backups are ({BACKUPS})")
    parser.add_argument("--storage", metavar="NAME", help="this storage only")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    command = commands.add_parser("pack", help="drop what nobody can undo any more")
    command.add_argument("--days", type=float, default=7, metavar="N", help="keep the history of so many days (7)")
    command.set_defaults(run=_pack)
    command = commands.add_parser("backup", help="back up what has changed")
    command.add_argument("--keep", type=int, default=30, metavar="N", help="keep backups of so many days (30)")
    command.set_defaults(run=_backup)
    commands.add_parser("list", help="dates of the backups").set_defaults(run=_list)
    command = commands.add_parser("restore", help="put a backup in place of the data")
    command.add_argument("--date", metavar="YYYY-MM-DD[-HH[-MM[-SS]]]", help="as of this time, UTC (the newest)")
    command.set_defaults(run=_restore)
    return parser


def _become_owner(server: Server) -> None:
    """As root, act as the user whom the data belongs to: what is written must
    be that user's, and nothing that user could plant is followed by root."""
    if os.geteuid() == 0:
        data = os.stat(os.path.dirname(server.select(None)[0].path))
        os.setgroups([])
        os.setgid(data.st_gid)
        os.setuid(data.st_uid)
        os.umask(0o027)
        os.chdir("/")


def _pack(server: Server, options) -> int:
    before = time.time() - options.days * 86400
    secure = {"ssl": server.tls.client_context()} if server.tls else {}
    for storage in server.select(options.storage):
        try:
            client = ZEO.client(server.address, storage=storage.name, wait_timeout=30, **secure)
        except ClientDisconnected:
            raise Fault(f"the server does not answer for storage '{storage.name}'") from None
        try:
            client.pack(before, wait=True)
        finally:
            client.close()
    return 0


def _backup(server: Server, options) -> int:
    for storage in server.select(options.storage):
        if os.path.exists(storage.path):
            backup.make(storage, options.backups, options.keep, _now())
    return 0


def _list(server: Server, options) -> int:
    for storage in server.select(options.storage):
        for date in backup.listing(storage, options.backups):
            print(f"{storage.name}\t{date}")
    return 0


def _restore(server: Server, options) -> int:
    for storage in server.select(options.storage):
        if os.path.exists(storage.path + ".lock") and _is_locked(storage.path + ".lock"):
            raise Fault("the server runs: systemctl stop zeo-server, then restore")
        aside = backup.restore(storage, options.backups, options.date, _now())
        print(f"storage {storage.name} restored; what was there is kept as {storage.path}{aside}")
    return 0


def _is_locked(path: str) -> bool:
    from zc.lockfile import LockError, LockFile

    try:
        LockFile(path).close()
    except LockError:
        return True
    return False


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)
