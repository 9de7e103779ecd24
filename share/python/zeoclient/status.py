"""What the servers and the main storage say, as one value. Changes nothing."""

from __future__ import annotations

import os
from dataclasses import asdict
from typing import Any

from . import SCHEMA, bootstrap, database, probe, upgrade
from .configuration import Configuration
from .database import Root
from .errors import Fault
from .password import Vault


def read(configuration: Configuration, timeout: float) -> dict[str, Any]:
    """The whole state; ``bootstrap`` and ``upgrade`` are null where nobody answers."""
    storages = []
    reachable = False
    for storage in configuration.storages:
        findings = probe.storage(storage, timeout)
        storages.append(
            {
                "name": storage.name,
                "storage": storage.storage,
                "mount": storage.mount,
                "result": findings[0].result.word,
                "servers": [finding.as_json() for finding in findings],
            }
        )
        if storage.mount == "/":
            reachable = findings[0].result is probe.Result.DATA
    status: dict[str, Any] = {
        "schema": SCHEMA,
        "package": configuration.package,
        "storages": storages,
        "bootstrap": None,
        "upgrade": None,
        "password_file": _password_file(configuration),
        "error": None,
    }
    if reachable:
        try:
            status.update(database.look(configuration.main, _records, limit=4 * timeout) or {})
        except Fault as fault:
            status["error"] = str(fault)
    return status


def _records(root: Root) -> dict[str, Any]:
    record = upgrade.read(root)
    return {
        "bootstrap": bootstrap.marker(root),
        "upgrade": _without_token(record) if record != upgrade.Record() else None,
    }


def _without_token(record: upgrade.Record) -> dict[str, Any]:
    shown = asdict(record)
    if shown["running"] is not None:
        del shown["running"]["token"]
    return shown


def _password_file(configuration: Configuration) -> str | None:
    path = Vault(configuration.state).path
    return path if os.path.lexists(path) else None
