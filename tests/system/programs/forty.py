#!/usr/bin/python3
"""The programs of many descriptions under supervisord and under systemd, compared.

    forty.py DIRECTORY

Each entry of DIRECTORY is what dh_supervisord made of one description, for both
backends. All of it is installed; every program that is not there is this file
itself, run by a venv's Python (see `probe`). Then all run under supervisord and,
after that, under systemd; of every process are compared its command line,
directory, accounts, umask and environment as the kernel has them, the signal that
stops it, and for which ends it comes back. A line a program; exit status 1 where
one of them differs.
"""

import collections
import configparser
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
import xmlrpc.client
from pathlib import Path

PYTHON = "/usr/lib/beacon/venv/bin/python"
# The statuses with which a probe ends when it is told to, by real-time signals.
STATUSES = (0, 1, 2, 30, 75, 143)
# On which a probe dies of SIGTERM as a program without a handler does.
DIE = signal.SIGRTMIN + len(STATUSES)
# What a manager says to its children about itself, and systemd about their account.
BOOKKEEPING = re.compile(
    "SUPERVISOR_.*|INVOCATION_ID|JOURNAL_STREAM|SYSTEMD_EXEC_PID|NOTIFY_SOCKET|LISTEN_.*|MEMORY_PRESSURE_.*"
    "|(STATE|CACHE|LOGS|RUNTIME)_DIRECTORY|HOME|USER|LOGNAME|SHELL|LC_CTYPE"
)


def probe():
    """A program that says by its end which signal it got."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, lambda got, _: os._exit(100 + got))
    for index, status in enumerate(STATUSES):
        signal.signal(signal.SIGRTMIN + index, lambda _got, _frame, status=status: os._exit(status))
    signal.signal(DIE, lambda *_: (signal.signal(signal.SIGTERM, signal.SIG_DFL), os.kill(os.getpid(), signal.SIGTERM)))
    if address := os.environ.get("NOTIFY_SOCKET"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.sendto(b"READY=1", address.replace("@", "\0", 1))
    while True:
        signal.pause()


def run(*words):
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


class Program:
    def __init__(self, package, described, section):
        self.package, self.name = package, described["name"]
        group = described["supervisord"]["group"]
        self.instances = described["instances"]
        short = [instance["process"] for instance in self.instances]
        self.processes = [f"{group}:{name}" for name in short]
        self.units = [instance["unit"] for instance in self.instances]
        self.sockets = described["systemd"].get("sockets", [])
        self.command = shlex.split(section["command"])[0]
        self.directory = section.get("directory")
        codes = section.get("exitcodes", "0").split(",")
        self.codes = {int(code) for code in codes if code.strip()}

    def is_probe(self):
        return os.path.realpath(self.command) == os.path.realpath(__file__)

    def ends_by_itself(self):
        return self.command.endswith("/printenv")


def read(tree):
    """The programs of a package, and its fragment."""
    known = json.loads(next(tree.glob("usr/share/appctl/*/programs.json")).read_text())
    parser = configparser.RawConfigParser(inline_comment_prefixes=(" ;", "\t;"), strict=False)
    parser.read(tree / known["fragment"]["path"].lstrip("/"))
    programs = [
        Program(known["package"], described, parser[described["supervisord"]["section"]])
        for described in known["programs"]
    ]
    return programs, known["fragment"]


def install(trees):
    programs = []
    for tree in trees:
        run("cp", "-a", "--no-preserve=ownership", f"{tree}/.", "/")
        of, fragment = read(tree)
        programs += of
        os.symlink(fragment["path"], fragment["link"])
    run("systemd-sysusers")
    run("systemd-tmpfiles", "--create")
    for program in programs:
        if program.directory:
            os.makedirs(program.directory, mode=0o755, exist_ok=True)
        command = Path(program.command)
        if not command.exists():
            command.parent.mkdir(parents=True, exist_ok=True)
            command.symlink_to(os.path.abspath(__file__))
    return programs


def look(process):
    """A process as the kernel has it."""
    proc = Path(f"/proc/{process}")
    status = dict(line.split(":\t", 1) for line in (proc / "status").read_text().splitlines() if ":\t" in line)
    pairs = [pair.partition("=") for pair in (proc / "environ").read_text().split("\0") if pair]
    return {
        "command": (proc / "cmdline").read_text().split("\0"),
        "directory": os.readlink(proc / "cwd"),
        "uid": status["Uid"].split(),
        "gid": status["Gid"].split(),
        "groups": sorted(status["Groups"].split()),
        "umask": status["Umask"].strip(),
        "environment": {name: value for name, _, value in pairs if not BOOKKEEPING.fullmatch(name)},
    }


def tell(manager, what, began=time.monotonic()):
    print(f"{time.monotonic() - began:6.1f} s {type(manager).__name__}: {what}", file=sys.stderr, flush=True)


def is_ready(program, process):
    """Whether it is the program itself, and knows what to do at each signal."""
    if not process:
        return False
    try:
        proc = Path(f"/proc/{process}")
        caught = int(re.search(r"SigCgt:\s*(\w+)", (proc / "status").read_text())[1], 16)
        words = (proc / "cmdline").read_text().split("\0")
    except OSError:
        return False
    if program.is_probe():
        return caught >> (DIE - 1) & 1 == 1
    return "/usr/bin/supervisord" not in words


def until(what, limit, ask):
    deadline = time.monotonic() + limit
    while True:
        missing = ask()
        if not missing:
            return
        if time.monotonic() > deadline:
            sys.exit(f"forty: not within {limit} s: {what}: {missing}")
        time.sleep(0.1)


class Supervisord:
    """By its XML-RPC interface: supervisorctl starts one after another."""

    LOG = Path("/var/log/supervisor/supervisord.log")

    def __init__(self):
        from supervisor.xmlrpc import SupervisorTransport

        transport = SupervisorTransport(None, None, "unix:///run/supervisor.sock")
        self.rpc = xmlrpc.client.ServerProxy("http://127.0.0.1", transport=transport).supervisor
        # What the packages' fragments say, all at once.
        for group in self.rpc.reloadConfig()[0][0]:
            self.rpc.addProcessGroup(group)

    def names(self, program):
        return program.processes

    def states(self):
        return {f"{found['group']}:{found['name']}": found for found in self.rpc.getAllProcessInfo()}

    def start(self, names):
        states = self.states()
        for name in names:
            if states[name]["statename"] not in ("RUNNING", "STARTING", "BACKOFF"):
                try:
                    self.rpc.startProcess(name, False)
                except xmlrpc.client.Fault as fault:
                    # printenv may have ended before supervisord looks at it: it has run all the same.
                    if fault.faultCode != 50 or "too quickly" not in self.rpc.getProcessInfo(name)["spawnerr"]:
                        raise

    def processes(self, names):
        states = self.states()
        return {name: states[name]["pid"] for name in names if states[name]["statename"] == "RUNNING"}

    def fates(self, before):
        """Which have come back, by name; None: that cannot be said yet."""
        states = self.states()

        def fate(name):
            found = states[name]
            if found["pid"] == before[name]:
                return None
            # One that comes back has ended, too, for a moment.
            is_over = found["statename"] == "EXITED" and found["now"] - found["stop"] >= 3
            return {"RUNNING": True, "STARTING": True, "BACKOFF": True}.get(found["statename"], False if is_over else None)

        return {name: fate(name) for name in before}

    def stop(self, names):
        """How each ended, by the log, which knows no groups: in rounds of different names."""
        found, rounds = {}, collections.defaultdict(list)
        for name in names:
            short = name.rsplit(":", 1)[1]
            rounds[sum(other.endswith(f":{short}") for of in rounds.values() for other in of)].append(name)
        for of in rounds.values():
            at = self.LOG.stat().st_size
            for name in of:
                self.rpc.stopProcess(name, False)
            until("all have stopped", 60, lambda: [
                name for name, found in self.states().items() if name in of and found["statename"] != "STOPPED"
            ])
            log = self.LOG.read_bytes()[at:].decode()
            for name in of:
                said = re.findall(rf"stopped: {re.escape(name.rsplit(':', 1)[1])} \((.*)\)", log)
                found[name] = said[-1].replace("exit status ", "").replace("terminated by ", "") if said else "?"
        return found

    def output(self, name):
        return self.rpc.tailProcessStdoutLog(name, 0, 4000)[0]


class Systemd:
    def __init__(self, units):
        # Otherwise systemd forgets how a unit that nothing names has ended.
        Path("/run/systemd/system/forty.target").write_text(f"[Unit]\nAfter={' '.join(units)}\n")
        run("systemctl", "daemon-reload")
        run("systemctl", "start", "forty.target")

    def names(self, program):
        return program.units

    def start(self, names):
        run("systemctl", "reset-failed")
        states = self.states(names)
        # One that is done may count as active; one that is to come back is waited for otherwise.
        again = [name for name in names if states[name]["SubState"] in ("exited", "auto-restart")]
        run("systemctl", "start", "--no-block", *names)
        if again:
            run("systemctl", "restart", "--no-block", *again)

    def states(self, names):
        properties = "Id,MainPID,ActiveState,SubState,ExecMainCode,ExecMainStatus"
        blocks = run("systemctl", "show", f"--property={properties}", *names).split("\n\n")
        return {name: dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
                for name, block in zip(names, blocks, strict=True)}

    def processes(self, names):
        found = {}
        for name, state in self.states(names).items():
            # One that says when it is ready is not active before.
            if state["MainPID"] != "0" and state["SubState"] in ("running", "start"):
                found[name] = int(state["MainPID"])
        return found

    def fates(self, before):
        def fate(name, state):
            if state["MainPID"] == str(before[name]) or state["ActiveState"] == "deactivating":
                return None
            return state["MainPID"] != "0" or state["SubState"].startswith("auto-restart")

        return {name: fate(name, state) for name, state in self.states(before).items()}

    def stop(self, names):
        run("systemctl", "stop", *names)
        found = {}
        for name, state in self.states(names).items():
            # Of si_code (waitid(2)) 1 is an exit, 2 and 3 are a signal's.
            code, status = state["ExecMainCode"], int(state["ExecMainStatus"])
            found[name] = {"1": lambda: str(status), "2": lambda: signal.Signals(status).name}.get(code, lambda: str(state))()
        return found

    def output(self, name):
        return run("journalctl", "-q", "-o", "cat", "-t", "printenv", "-u", name)


def ends(program):
    """Ways to end a program: what they are called, and the signal."""
    if program.is_probe():
        for index, status in enumerate(STATUSES):
            if status < 2 or status in program.codes:
                yield f"status {status}", signal.SIGRTMIN + index
        # systemd takes this for a clean end, supervisord does not.
        yield "SIGTERM", DIE
    yield "SIGKILL", signal.SIGKILL


def measure(manager, programs):
    """What is to be the same: (package, program) → words → value."""
    found = collections.defaultdict(dict)
    lasting = [program for program in programs if not program.ends_by_itself()]
    named = {name: (program, index) for program in lasting for index, name in enumerate(manager.names(program))}

    def running(names):
        def missing():
            processes = manager.processes(names)
            return sorted(name for name in names if not is_ready(named[name][0], processes.get(name)))

        return missing

    tell(manager, "starts")
    manager.start(list(named))
    until("all run", 60, running(list(named)))
    tell(manager, "all run")
    for name, process in manager.processes(list(named)).items():
        program, index = named[name]
        for word, value in look(process).items():
            found[program.package, program.name][f"{word} of process {index}"] = value
    # In each round every program ends in one of its ways, if it has one more.
    rounds = collections.defaultdict(dict)
    for program in lasting:
        for index, end in enumerate(ends(program)):
            rounds[index][manager.names(program)[0]] = end
    for firsts in rounds.values():
        tell(manager, f"{len(firsts)} end")
        manager.start(list(firsts))
        until("the first of each runs", 60, running(list(firsts)))
        before = manager.processes(list(firsts))
        for name, process in before.items():
            os.kill(process, firsts[name][1])
        fates = {}

        def undecided():
            fates.update(manager.fates({name: process for name, process in before.items() if fates.get(name) is None}))
            return [name for name in firsts if fates[name] is None]

        until("it is clear who comes back", 30, undecided)
        for name, (word, _) in firsts.items():
            program, _ = named[name]
            found[program.package, program.name][f"comes back from {word}"] = fates[name]
    tell(manager, "starts again")
    manager.start(list(named))
    until("all run again", 60, running(list(named)))
    tell(manager, "stops")
    if isinstance(manager, Systemd):
        run("systemctl", "stop", *(unit for program in programs for unit in program.sockets))
    for name, end in manager.stop(list(named)).items():
        program, index = named[name]
        found[program.package, program.name][f"end of process {index} by the stop"] = end
    for program in programs:
        if program.ends_by_itself():
            name = manager.names(program)[0]
            manager.start([name])
            until(f"{name} prints", 20, lambda name=name: not manager.output(name) and name)
            found[program.package, program.name]["output"] = sorted(set(manager.output(name).split("\n")) - {""})
    return found


def main():
    trees = sorted(Path(sys.argv[1]).iterdir())
    programs = install(trees)
    sets = []
    run("systemctl", "daemon-reload")
    sets.append(measure(Supervisord(), programs))
    run("supervisorctl", "stop", "all")
    sets.append(measure(Systemd([unit for program in programs for unit in program.units]), programs))
    differing = 0
    for key in sorted(sets[0].keys() | sets[1].keys()):
        one, other = sets[0].get(key, {}), sets[1].get(key, {})
        words = [word for word in sorted(one.keys() | other.keys()) if one.get(word) != other.get(word)]
        differing += bool(words)
        print(*key, f"{len(one)} values", "differ" if words else "ok")
        for word in words:
            print(f"\t{word}: supervisord {one.get(word)!r}, systemd {other.get(word)!r}")
    print(f"{len(trees)} descriptions, {len(programs)} programs,",
          f"{sum(len(program.instances) for program in programs)} processes, {differing} differ")
    sys.exit(differing > 0)


if __name__ == "__main__":
    main() if sys.argv[0].endswith("forty.py") else probe()
