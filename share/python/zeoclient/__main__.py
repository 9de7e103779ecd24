"""The command line: ``python -m zeoclient --config FILE COMMAND``.

Exit status: 0 done; 1 failed; 2 the command line or the configuration is
wrong; 3 the storage has been upgraded by newer code; 4 an upgrade was
interrupted; 75 nobody answers or somebody else is at it, try again later.
``probe`` has statuses of its own: 0 the storage has data, 10 it is empty,
11 nobody listens, 12 somebody listens and says nothing, 13 the server expects
TLS, 1 anything else; and with ``--plugin`` those of a monitoring plugin: 0 data,
1 empty, 2 not usable, 3 unknown.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from . import SCHEMA, configuration, probe, say
from .configuration import Configuration
from .errors import Fault, Usage

Arguments = argparse.Namespace


def main(words: Sequence[str] | None = None) -> int:
    """Run a command; its exit status."""
    # No password in a core file.
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    arguments = _parser().parse_args(words)
    run: Callable[[Configuration, Arguments], int] = arguments.run
    try:
        if arguments.command == "check-password":
            # It is looked at before the first configuration is written.
            return _check_password(arguments)
        return run(configuration.read(arguments.config), arguments)
    except Fault as fault:
        say(f"zeoclient: error: {fault}", file=sys.stderr)
        if fault.hint:
            say(f"zeoclient: hint: {fault.hint}", file=sys.stderr)
        # The probe's own statuses must not be mistaken for these.
        return probe.Result.FAILED.monitoring if getattr(arguments, "plugin", False) else fault.status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="zeoclient", description="What a ZEO client needs beside its own start.")
    parser.add_argument("--config", required=True, metavar="FILE", help="the configuration, TOML")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", dest="command")

    def add(name: str, run: Callable[[Configuration, Arguments], int], text: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text)
        command.set_defaults(run=run)
        command.add_argument("--json", action="store_true", help="print one JSON object")
        return command

    def add_timeout(command: argparse.ArgumentParser) -> None:
        command.add_argument("--timeout", type=_seconds, default=probe.TIMEOUT, metavar="SECONDS", help="for all of it (3)")

    def add_password(command: argparse.ArgumentParser) -> None:
        source = command.add_mutually_exclusive_group()
        source.add_argument("--password-fd", type=int, metavar="N", help="read the password from this descriptor")
        source.add_argument("--password-file", metavar="FILE", help="read it from this file, of mode 0600")

    command = add("probe", _probe, "ask the servers what state they are in")
    command.add_argument("--plugin", action="store_true", help="answer as a monitoring plugin")
    command.add_argument("--storage", metavar="NAME", help="this storage of the configuration only")
    command.add_argument("--server", metavar="ADDRESS", help="this server instead of the configured ones")
    add_timeout(command)
    for name, run, text in (
        ("seed", _seed, "make the first administrator, where the storage has none"),
        ("reset-admin", _reset, "give the administrator a new password"),
    ):
        add_password(add(name, run, text))
    add("ack", _acknowledge, "delete the file with the first password")
    command = add("upgrade", _upgrade, "run the upgrade, once per storage and version")
    command.add_argument("--again", action="store_true", help="also after an interrupted or failed one")
    command.add_argument("--wait", type=_seconds, default=600.0, metavar="SECONDS", help="for another node (600)")
    command.add_argument("--silence", type=_seconds, default=30.0, metavar="SECONDS", help="of a dead node (30)")
    add("check", _check, "read the configuration, and nothing else")
    add_password(add("check-password", _check, "look whether a password can be the administrator's"))
    command = add("prepare", _prepare, "make the first administrator and run the upgrade, before an instance starts")
    command.add_argument("instance", type=int, metavar="NUMBER", help="of the instance, from 0 on")
    add_password(command)
    command = add("serve", _serve, "become the server of an instance")
    command.add_argument("instance", type=int, metavar="NUMBER", help="of the instance, from 0 on")
    command.add_argument("--prepare", action="store_true", help="prepare it, and keep trying where the server is away")
    add_password(command)
    command = add("health", _health, "tell whether an instance serves, and if not, why")
    command.add_argument("instance", type=int, metavar="NUMBER", help="of the instance, from 0 on")
    add_timeout(command)
    add_timeout(add("status", _status, "tell the state of servers, administrator and upgrade"))
    return parser


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds < 86400:
        raise argparse.ArgumentTypeError("not a number of seconds")
    return seconds


def _probe(config: Configuration, arguments: Arguments) -> int:
    wanted = [one for one in config.storages if arguments.storage in (None, one.name)]
    if not wanted:
        raise Usage(f"there is no storage '{arguments.storage}' in the configuration")
    if arguments.server:
        wanted = [replace(one, servers=(configuration.address(arguments.server),)) for one in wanted]
    found = [(storage, probe.storage(storage, arguments.timeout)) for storage in wanted]
    worst = max((findings[0] for _, findings in found), key=lambda finding: finding.result.rank)
    if arguments.plugin:
        states = ("OK", "WARNING", "CRITICAL", "UNKNOWN")
        text = "; ".join(
            f"{storage.name}: {findings[0].result.word}, {findings[0].detail}" for storage, findings in found
        )
        times = " ".join(f"'{storage.name}'={findings[0].seconds:.3f}s" for storage, findings in found)
        say(f"ZEO {states[worst.result.monitoring]} - {text.replace('|', ' ')} | {times}")
        return worst.result.monitoring
    if arguments.json:
        storages = [
            {"name": storage.name, "result": findings[0].result.word, "servers": [one.as_json() for one in findings]}
            for storage, findings in found
        ]
        _print_json(config, {"result": worst.result.word, "storages": storages})
    else:
        for storage, findings in found:
            for one in findings:
                say(f"{storage.name}\t{configuration.show(one.server)}\t{one.result.word}\t{one.detail}")
    return worst.result.status


def _seed(config: Configuration, arguments: Arguments) -> int:
    from . import bootstrap, password

    outcome = bootstrap.seed(config, password.obtain(arguments.password_fd, arguments.password_file))
    user = bootstrap.wanted(config).user
    if outcome.file:
        text = f"the administrator '{user}' has been made; the password is in {outcome.file}"
    elif outcome.state == bootstrap.ADOPTED:
        text = "the database has users of its own; no administrator was made"
    else:
        text = "the database has its administrator"
    return _tell_outcome(config, arguments, outcome, text)


def _reset(config: Configuration, arguments: Arguments) -> int:
    from . import bootstrap, password

    outcome = bootstrap.reset(config, password.obtain(arguments.password_fd, arguments.password_file))
    user = bootstrap.wanted(config).user
    return _tell_outcome(config, arguments, outcome, f"'{user}' has a new password, which is in {outcome.file}")


def _check(config: Configuration, arguments: Arguments) -> int:
    if arguments.json:
        _print_json(config, {"storages": [storage.name for storage in config.storages]})
    return 0


def _check_password(arguments: Arguments) -> int:
    from . import password

    password.obtain(arguments.password_fd, arguments.password_file)
    return 0


def _prepare(config: Configuration, arguments: Arguments) -> int:
    from . import instance, password

    instance.prepare(
        config, arguments.instance, lambda: password.obtain(arguments.password_fd, arguments.password_file), False
    )
    return _check(config, arguments)


def _serve(config: Configuration, arguments: Arguments) -> int:
    from . import instance, password

    if arguments.prepare:
        instance.prepare(
            config, arguments.instance, lambda: password.obtain(arguments.password_fd, arguments.password_file), True
        )
    instance.serve(config, arguments.instance)


def _health(config: Configuration, arguments: Arguments) -> int:
    from . import health

    answer = health.check(config, arguments.instance, arguments.timeout)
    if arguments.json:
        _print_json(config, {"answer": answer})
    else:
        say(answer)
    return 0


def _tell_outcome(config: Configuration, arguments: Arguments, outcome: Any, text: str) -> int:
    if arguments.json:
        fields = {"state": outcome.state, "changed": outcome.changed, "password_file": outcome.file}
        _print_json(config, fields)
    else:
        say(text)
    return 0


def _acknowledge(config: Configuration, arguments: Arguments) -> int:
    from . import bootstrap

    was_there = bootstrap.acknowledge(config)
    if arguments.json:
        _print_json(config, {"deleted": was_there})
    else:
        say("the file with the first password is deleted" if was_there else "there is no file with a first password")
    return 0


def _upgrade(config: Configuration, arguments: Arguments) -> int:
    from . import upgrade

    ran = upgrade.run(config, again=arguments.again, wait=arguments.wait, silence=arguments.silence)
    version = config.upgrade.version if config.upgrade else ""
    if arguments.json:
        _print_json(config, {"version": version, "ran": ran})
    else:
        say(f"the data has been upgraded to {version}" if ran else f"the data has version {version}")
    return 0


def _status(config: Configuration, arguments: Arguments) -> int:
    from . import status

    state = status.read(config, arguments.timeout)
    if arguments.json:
        say(_json(state))
        return 0
    for storage in state["storages"]:
        for server in storage["servers"]:
            say(f"storage {storage['name']} on {server['server']}: {server['result']}: {server['detail']}")
    say(f"administrator: {_administrator(state)}")
    if state["password_file"]:
        say(f"first password: {state['password_file']}")
    if config.upgrade:
        say(f"data: {_data(state)}; this code: {config.upgrade.version}")
    if state["error"]:
        say(f"error: {state['error']}")
    return 0


def _administrator(state: dict[str, Any]) -> str:
    marker = state["bootstrap"]
    if marker is None:
        return "not known"
    if marker["state"] == "adopted":
        return f"the database had users of its own ({marker['time']})"
    return f"'{marker['user']}', made by {marker['package']} on {marker['node']} ({marker['time']})"


def _data(state: dict[str, Any]) -> str:
    record = state["upgrade"]
    if record is None:
        return "no upgrade known"
    running = record["running"]
    if running is None:
        return str(record["version"])
    how = running["failure"] or "under way, or interrupted"
    return f"{record['version'] or 'never upgraded'}, an upgrade to {running['version']} by {running['node']}: {how}"


def _print_json(config: Configuration, fields: dict[str, Any]) -> None:
    say(_json({"schema": SCHEMA, "package": config.package, **fields}))


def _json(fields: dict[str, Any]) -> str:
    """JSON in which everything but ASCII is escaped, and the one control character that json lets pass, too."""
    return json.dumps(fields, sort_keys=True).replace("\x7f", "\\u007f")


if __name__ == "__main__":
    sys.exit(main())
