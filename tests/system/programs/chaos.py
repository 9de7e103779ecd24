#!/usr/bin/python3
"""Kills what installs, upgrades, removes and purges a package, point by point.

    chaos.py find
    chaos.py visit SEED COUNT PART PARTS FROM STEPS <POINTS

Runs in a booted system. In /fault are four versions of a package, made traceable by
fault-points.py, whose `web` runs under systemd and whose `worker` runs under
supervisord: blue and split differ in what they start, each -again only in its code.
A point is one of fault-points.py (a process that a script or appctl starts, a
change that appctl makes), and what happens to supervisord there:

    up      it is up; script or appctl is killed
    down    it is not, and is started afterwards; script or appctl is killed
    killed  it is killed together with script or appctl, and started afterwards
    alone   it is killed, script or appctl goes on; it is started afterwards

Afterwards dpkg ends what was begun; where it knows of no failure (`alone`), the
command is given again. Then each program must run once or, after a removal, not
at all; it must have started anew, and at most once too often; meanwhile no two of
it may have run, whatever a killed supervisord has left; and the files must be those
that undisturbed runs leave.

`find` makes the undisturbed runs and prints points and those files as JSON.
`visit` draws COUNT points (0: all), and visits of its PART's share the STEPS from
FROM on; each is a line. Exit status 1 where one fails.
"""

import collections
import hashlib
import http.client
import importlib.machinery
import importlib.util
import json
import os
import random
import re
import signal
import stat
import subprocess
import sys
import threading
import time
import types
import xmlrpc.client
from pathlib import Path

import supervisor.xmlrpc

LOADER = importlib.machinery.SourceFileLoader("points", "/fault/fault-points.py")
points = importlib.util.module_from_spec(importlib.util.spec_from_loader("points", LOADER))
LOADER.exec_module(points)

APPCTL = "/usr/bin/appctl.real"
PROGRAM = "/usr/lib/beacon/venv/bin/beacon"
PROGRAMS = ("web", "worker")
STATES = ("up", "down", "killed", "alone")
INSTALLING = ("install", "upgrade", "change")
TREES = (
    "/etc/beacon", "/etc/supervisor", "/etc/systemd/system", "/var/lib/appctl/beacon", "/usr/share/appctl/beacon",
    "/var/lib/systemd/deb-systemd-helper-enabled", "/var/lib/systemd/deb-systemd-helper-masked", "/var/log/beacon",
)
BESIDES = re.compile(r"^/var/log/beacon/.|/lock$")


def sh(command):
    return subprocess.run(
        ["sh", "-c", command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, check=False,
    )


def must(command):
    done = sh(command)
    if done.returncode:
        sys.exit(f"chaos: {command}: {done.stdout}")
    return done.stdout


def until(limit, ask):
    deadline = time.monotonic() + limit
    while not (answer := ask()):
        if time.monotonic() > deadline:
            return answer
        time.sleep(0.05)
    return answer


def read(path):
    try:
        return Path(path).read_bytes()
    except OSError:
        return b""


def supervisord_answers():
    transport = supervisor.xmlrpc.SupervisorTransport(None, None, "unix:///run/supervisor.sock")
    try:
        return xmlrpc.client.ServerProxy("http://127.0.0.1", transport).supervisor.getState()["statename"] == "RUNNING"
    except (OSError, http.client.HTTPException, xmlrpc.client.Error):
        return False


def supervisord_is_up():
    if sh("systemctl is-active supervisor").returncode:
        # A start would wait until systemd itself restarts it, for 50 s.
        must("systemctl reset-failed supervisor || true; systemctl restart supervisor")
    if not until(60, supervisord_answers):
        log = sh("systemctl status supervisor; tail -n 40 /var/log/supervisor/supervisord.log; ps -ef").stdout
        sys.exit(f"chaos: supervisord does not answer\n{log}")


def running():
    """How many processes each program has."""
    found = collections.Counter()
    for process in filter(str.isdigit, os.listdir("/proc")):
        words = read(f"/proc/{process}/cmdline").decode(errors="replace").split("\0")
        if PROGRAM in words:
            found[words[words.index(PROGRAM) + 1]] += 1
    return found


class Watch(threading.Thread):
    """Notes a program of which two have run at once."""

    def __init__(self):
        super().__init__(daemon=True)
        self.twice, self.done = set(), threading.Event()

    def run(self):
        while not self.done.wait(0.05):
            self.twice.update(name for name, count in running().items() if count > 1)


def starts(program):
    return len(read(f"/var/lib/beacon/starts.{program}").splitlines())


def tree():
    """What is left: path → owner, mode, content or target, whatever the version."""
    found = {}
    for top in TREES:
        for directory, names, files in os.walk(top):
            for path in [directory, *(os.path.join(directory, name) for name in names + files)]:
                if BESIDES.search(path):
                    continue
                about, what = os.lstat(path), ""
                if stat.S_ISLNK(about.st_mode):
                    what = os.readlink(path)
                elif stat.S_ISREG(about.st_mode):
                    what = hashlib.sha256(re.sub(rb"\b(red|blue)\b", b"colour", read(path))).hexdigest()
                found[path] = [f"{about.st_uid}:{about.st_gid}", oct(about.st_mode), what]
    return found


class Here:
    """Which version is installed; outlives this process."""

    FILE = Path("/fault/here")

    @staticmethod
    def get():
        return Here.FILE.read_text() if Here.FILE.exists() else "purged"

    @staticmethod
    def command(scenario):
        """What is to be done, and what is there afterwards."""
        here = Here.get()
        to = {
            "install": "blue",
            "upgrade": here.removesuffix("-again") if here.endswith("-again") else f"{here}-again",
            "change": "split" if here.startswith("blue") else "blue",
            "remove": "removed",
            "purge": "purged",
        }[scenario]
        options = {"removed": "-r beacon", "purged": "-P beacon"}
        return f"dpkg {options.get(to) or f'-i /fault/{to}.deb'}", to

    @staticmethod
    def prepare(scenario):
        """The package, and supervisord, as the scenario finds them."""
        Path("/fault/inject").write_text("")
        supervisord_is_up()
        here = Here.get()
        if scenario == "install" and here != "purged":
            must("dpkg -P beacon")
            Here.FILE.write_text("purged")
        if scenario != "install" and here in ("removed", "purged"):
            must("dpkg -i /fault/blue.deb")
            Here.FILE.write_text("blue")
        if scenario != "install" and not until(20, lambda: sh(f"{APPCTL} service status beacon").returncode == 0):
            sys.exit(f"chaos: it does not run before {scenario}: {sh('supervisorctl status').stdout}")
        sh("rm -rf /var/lib/beacon/starts.* /fault/log && mkdir /fault/log")


def is_there(to):
    """Whether dpkg has come to the end."""
    status = sh("dpkg-query -W -f '${Status} ${Version}' beacon").stdout
    if to == "purged":
        return " ok not-installed" in status or "no packages found" in status
    if to == "removed":
        return status.startswith("deinstall ok config-files")
    version = must(f"dpkg-deb -f /fault/{to}.deb Version").strip()
    return status == f"install ok installed {version}"


def a_second_one_is_noticed():
    with subprocess.Popen([PROGRAM, "worker", "work"], stdin=subprocess.DEVNULL) as stray:
        if not until(5, lambda: running()["worker"] == 2):
            sys.exit("chaos: a second worker is not noticed")
        stray.kill()


def find():
    found, trees = [], {}

    def undisturbed(scenario, state):
        Here.prepare(scenario)
        if state == "down":
            must("systemctl stop supervisor")
        command, to = Here.command(scenario)
        must(command)
        Here.FILE.write_text(to)
        for name, number, arguments, call, ordinal in points.points(points.runs(types.SimpleNamespace(root=""))):
            found.append([scenario, state, name, number, arguments, call, ordinal])
        supervisord_is_up()
        trees.setdefault(to if to in ("removed", "purged") else "installed", tree())

    for state in ("up", "down"):
        for scenario in ("install", "upgrade", "change", "remove", "purge"):
            undisturbed(scenario, state)
            if (scenario, state) == ("install", "up"):
                a_second_one_is_noticed()
    print(json.dumps({"points": found, "trees": trees}))


def expand(found):
    """Those with a supervisord that is killed are those at which it is up."""
    for point in found:
        for state in STATES:
            if point[1] == ("down" if state == "down" else "up"):
                yield [point[0], state, *point[2:]]


def share(everything, seed, count, part, parts):
    """A part's points, in an order in which one leaves what the next one needs."""
    draw = random.Random(seed)
    chosen = draw.sample(everything, count or len(everything))
    queues = collections.defaultdict(collections.deque)
    for index, point in enumerate(chosen):
        if index % parts == part:
            queues["over" if point[0] in ("upgrade", "change") else "in" if point[0] == "install" else "out"].append(point)
    order = []
    while any(queues.values()):
        rounds = max(len(queues["in"]), len(queues["out"]), 1)
        for queue, some in (("in", 1), ("over", -(-len(queues["over"]) // rounds)), ("out", 1)):
            order += [queues[queue].popleft() for _ in range(min(some, len(queues[queue])))]
    return order


def stopped(trace):
    """The process traced there, once it has stopped."""
    if b"--- stopped by SIGSTOP ---" not in read(trace):
        return None
    for process in filter(str.isdigit, os.listdir("/proc")):
        tracer = re.search(rb"^TracerPid:\t([1-9]\d*)$", read(f"/proc/{process}/status"), re.MULTILINE)
        if tracer and trace.encode() in read(f"/proc/{tracer[1].decode()}/cmdline").split(b"\0"):
            return int(process)
    return None


def disturb(point, command):
    """Give the command, with the fault; whether it was hit, and what was said."""
    _, state, name, number, _, call, ordinal = point
    trace = f"/fault/log/{name}.{number}/trace"
    kind = "STOP" if state in ("killed", "alone") else "KILL"
    supervisord = read("/run/supervisord.pid").decode().strip()
    Path("/fault/inject").write_text(f"{name} {number} -e inject={call}:signal={kind}:when={ordinal}\n")
    with open("/fault/said", "w+", encoding="utf-8", errors="replace") as said:
        dpkg = subprocess.Popen(["sh", "-c", command], stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT)
        hit, deadline = False, time.monotonic() + 60
        while kind == "STOP" and not hit and dpkg.poll() is None:
            if time.monotonic() > deadline:
                sys.exit(f"chaos: {point} hangs: {sh('ps -ef').stdout}{read(trace).decode()}")
            if process := stopped(trace):
                os.kill(int(supervisord), signal.SIGKILL)
                os.kill(process, signal.SIGKILL if state == "killed" else signal.SIGCONT)
                hit = True
            time.sleep(0.01)
        if dpkg.wait() != 0 and state == "alone":
            print("dpkg fails, and only supervisord was killed")
        Path("/fault/inject").write_text("")
        said.seek(0)
        return hit or b"killed by SIGKILL" in read(trace), said.read()


def verdict(point, to, trees):
    scenario, state = point[:2]
    faults = []
    installs = scenario in INSTALLING
    counts = running()
    for program in PROGRAMS:
        if counts[program] != int(installs):
            faults.append(f"{counts[program]} of {program} run")
        # What was asked for, where it was asked for again, and by supervisord's own start.
        due = installs * (1 + (state == "alone")) + (program == "worker" and state != "up")
        if starts(program) > due + 1:
            faults.append(f"{program} has started {starts(program)} times")
        if installs and not starts(program):
            faults.append(f"{program} has not started anew")
    if installs and (status := sh(f"{APPCTL} service status beacon")).returncode:
        faults.append(status.stdout)
    wanted, left = trees["installed" if installs else to], tree()
    for path in sorted(wanted.keys() | left.keys()):
        if wanted.get(path) != left.get(path):
            faults.append(f"{path}: {left.get(path)}, wanted {wanted.get(path)}")
    return faults


def visit(point, trees):
    scenario, state, name, number, arguments, call, ordinal = point
    print(*point, file=sys.stderr, flush=True)
    Here.prepare(scenario)
    command, to = Here.command(scenario)
    if state == "down":
        must("systemctl stop supervisor")
        sh("rm -f /var/lib/beacon/starts.*")
    watch = Watch()
    watch.start()
    hit, said = disturb(point, command)
    supervisord_is_up()
    said += f"--- configure -a\n{sh('dpkg --configure -a').stdout}"
    if state == "alone" or not is_there(to):
        said += f"--- {command}\n{sh(command).stdout}"
    faults = [] if is_there(to) else ["dpkg does not come to its end"]
    Here.FILE.write_text(to)
    # What has just been started or stopped shows within a moment.
    deadline = time.monotonic() + 5
    while (wrong := verdict(point, to, trees)) and time.monotonic() < deadline:
        time.sleep(0.2)
    faults += wrong
    watch.done.set()
    watch.join()
    faults += [f"two of {program} have run at once" for program in watch.twice]
    where = f"{name} {number} ({arguments}) {call} {ordinal}"
    print(f"{scenario}, supervisord {state}: {where}{'' if hit else ' did not fire'}: {'; '.join(faults) or 'ok'}", flush=True)
    if faults:
        print(said, flush=True)
    return not faults, hit


def main():
    if sys.argv[1] == "find":
        find()
        return
    given = json.load(sys.stdin)
    seed, (count, part, parts, first, steps) = sys.argv[2], map(int, sys.argv[3:])
    order = share(list(expand(given["points"])), seed, count, part, parts)
    results = [visit(point, given["trees"]) for point in order[first:first + steps]]
    print(f"{len(results)} points, {sum(hit for _, hit in results)} fired, {sum(not good for good, _ in results)} failed")
    sys.exit(not all(good for good, _ in results))


if __name__ == "__main__":
    main()
