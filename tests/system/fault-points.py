#!/usr/bin/python3
"""Kills the maintainer scripts of a package at every point, one run a point.

    fault-points.py --wrap DEB [processes]
    fault-points.py [--every N] [--until-red] [--then REST] SCENARIO START END

The first form makes a package traceable, in place, and appctl with it; with
`processes` those that appctl starts are traced, too. With --every only each N-th
point is visited; with --until-red those come first at which contents are written,
and the first one at which something is wrong is the last.

Runs as root in a system in which everything up to the scenario is done: START
is the shell command under test (a dpkg run), END the one that must bring the
system to its end afterwards (`dpkg --configure -a`, or START again), REST what
would do so if nothing had happened. A point is

  * the N-th process that a maintainer script starts: the script is killed
    before it, and
  * the N-th system call of appctl that changes the file system, of each kind
    and in each of its runs: appctl is killed before it (and its script fails).

The points are found by tracing one undisturbed run. For each of them the whole
system is a fresh overlay over the one that stands here: START is run with the
fault, then END, and the tree that is left must be the one that START and REST
alone leave: content, owner, mode. Only what the overlay holds can differ, so
only that is compared. Meanwhile a reader polls the files given in /fault/watch
and fails on any content that is neither the old nor the new one, and where it
has not come to read.

Every point is one line on standard output: scenario, script, process, system
call, ordinal, seconds, verdict. Exit status 1 where a point did not fire, where
the number of points that fired is not that of the trace, or where a tree differs.
"""

import argparse
import collections
import concurrent.futures
import hashlib
import os
import re
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

FAULT = Path("/fault")
SCRIPTS = ("config", "preinst", "postinst", "prerm", "postrm")
# What changes a file system. openat is counted where it may create; not every
# architecture has all of them, which a question mark tells strace.
CHANGES = (
    "openat", "mkdirat", "write", "pwrite64", "writev", "fchown", "fchownat", "fchmod", "fchmodat", "fsync",
    "fdatasync", "ftruncate", "fallocate", "renameat", "renameat2", "unlinkat", "linkat", "symlinkat", "mknodat",
    "utimensat", "copy_file_range", "sendfile", "setxattr", "lsetxattr", "fsetxattr", "removexattr", "fremovexattr",
    "?open", "?creat", "?mkdir", "?rmdir", "?rename", "?unlink", "?link", "?symlink", "?mknod", "?truncate", "?chown",
    "?lchown", "?chmod",
)
STARTS = ("clone", "clone3", "fork", "vfork")
# Between two looks of the reader, in seconds.
PAUSE = 0.003
# For /fault/inject: no run is to be traced.
NOTHING = "nothing 0\n"
# What is compared of the layer; /run is a file system of its own.
BESIDES = re.compile(
    # Times, logs, backups and caches differ by nature; the rest is the tests' own.
    r"^/(dev|fault|point|proc|run|sys|tmp|var/log|var/tmp)(/|$)|^/root/\.|^/var/cache/(ldconfig|apt|man)(/|$)"
    r"|^/var/cache/debconf/.*-old$|^/var/lib/systemd/(random-seed|catalog/)|^/var/lib/ucf/cache/"
    r"|^/var/lib/dpkg/(status-old|available.*|diversions-old|statoverride-old|updates/|lock.*|triggers/Lock|info/.*\.list$)"
    r"|^/var/lib/appctl/[^/]+/lock$|^/etc/(\.pwd\.lock|(passwd|group|shadow|gshadow)-)$"
)


def sh(command, **options):
    return subprocess.run(["sh", "-c", command], stdin=subprocess.DEVNULL, capture_output=True, text=True, **options)


class Layer:
    """A fresh overlay over this system, in a mount namespace of its own."""

    def __init__(self):
        # The namespace lives as long as this process, which waits for end of file.
        script = (
            "mount -t tmpfs -o mode=755 point /point && mkdir /point/upper /point/work /point/root && "
            "mount -t overlay point -o lowerdir=/,upperdir=/point/upper,workdir=/point/work /point/root && "
            "cd /point/root && mount --rbind /proc proc && mount --rbind /dev dev && mount -t tmpfs tmpfs run && "
            "mkdir -p run/lock && echo ready && exec cat >/dev/null"
        )
        self.keeper = subprocess.Popen(
            ["unshare", "--mount", "--propagation", "private", "sh", "-c", script],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        if self.keeper.stdout.readline() != "ready\n":
            sys.exit("fault-points: no overlay could be mounted")
        self.root = f"/proc/{self.keeper.pid}/root/point/root"
        self.upper = f"/proc/{self.keeper.pid}/root/point/upper"

    def run(self, command):
        enter = ["nsenter", "--mount", f"--target={self.keeper.pid}", "chroot", "/point/root"]
        return subprocess.run(
            [*enter, "sh", "-c", command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, timeout=120, check=False,
        )

    def write(self, path, text):
        Path(self.root + path).write_text(text)

    def read(self, path):
        try:
            return Path(self.root + path).read_bytes()
        except FileNotFoundError:
            return None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.keeper.stdin.close()
        self.keeper.wait()


def secrets(layer):
    """The generated secrets, by package."""
    found = {}
    for path in sorted(Path(layer.root + "/var/lib/appctl").glob("*/secrets.json")):
        found[path.parent.name] = path.read_bytes()
    return found


class Tree:
    """The files below a root, each as owner, mode, and contents, target or names.

    A secret is another one in each run: it stands as <secret>, and digests of
    what holds it as <hash>; that they are right is what `appctl status` says.
    """

    def __init__(self, root):
        self.root = root
        texts = [path.read_text() for path in Path(root + "/var/lib/appctl").glob("*/secrets.json")]
        self.words = {word.encode() for text in texts for word in re.findall(r'"([^"]{16,})"', text)}

    def state(self, path):
        full = self.root + path
        try:
            about = os.lstat(full)
        except (FileNotFoundError, NotADirectoryError):
            return None
        what = ""
        if stat.S_ISLNK(about.st_mode):
            what = os.readlink(full)
        elif stat.S_ISDIR(about.st_mode):
            # What a directory that was made anew hides stands nowhere else.
            what = sorted(name for name in os.listdir(full) if not BESIDES.search(f"{path.rstrip('/')}/{name}"))
        elif stat.S_ISREG(about.st_mode):
            contents = Path(full).read_bytes()
            for word in self.words:
                contents = contents.replace(word, b"<secret>")
            if path.startswith("/var/lib/appctl/"):
                # When a restart became due is no part of the state; that it is due, is.
                contents = re.sub(rb'"at":\s*\{[^}]*\}', b"", contents)
                contents = re.sub(rb"\b[0-9a-f]{64}\b", b"<hash>", contents)
            what = hashlib.sha256(contents).hexdigest()
        return f"{about.st_uid}:{about.st_gid}", oct(about.st_mode), what


def below(top, path=""):
    """The paths of a tree, without those that are not compared."""
    with os.scandir(top + path) as entries:
        for entry in entries:
            inside = f"{path}/{entry.name}"
            if not BESIDES.search(inside):
                yield inside
                if entry.is_dir(follow_symlinks=False):
                    yield from below(top, inside)


def changed(layer):
    """What has been written in a layer: path → state; None for what is gone."""
    tree = Tree(layer.root)
    paths = ["/run/appctl", *below(layer.upper)]
    paths += (f"/run/appctl{path}" for path in below(layer.root + "/run/appctl")) if tree.state("/run/appctl") else []
    return {path: tree.state(path) for path in paths}


WRAPPER = """#!/bin/sh
# Runs the real program under strace; kills it where /fault/inject says so.
run=1
while ! mkdir "/fault/log/{name}.$run" 2>/dev/null; do run=$((run + 1)); done
read -r name number options </fault/inject || :
echo "$*" >"/fault/log/{name}.$run/arguments"
# Where one run is named, the others need no tracer.
[ -z "$name" ] || [ "$name $number" = "{name} $run" ] || exec {real} "$@"
# shellcheck disable=SC2086
exec strace -qq -o "/fault/log/{name}.$run/trace" -e trace={calls} $options {real} "$@"
"""


def wrap(deb, calls):
    """appctl, and every maintainer script of a package, run under strace from now on."""
    if not os.path.exists("/usr/bin/appctl.real"):
        os.rename("/usr/bin/appctl", "/usr/bin/appctl.real")
        text = WRAPPER.format(name="appctl", calls=",".join(calls), real="/usr/bin/appctl.real")
        executable("/usr/bin/appctl", text)
    scratch = "/fault/unpacked"
    sh(f"rm -rf {scratch} && dpkg-deb -R {deb} {scratch}", check=True)
    for script in SCRIPTS:
        path = Path(scratch, "DEBIAN", script)
        if path.exists():
            kept = FAULT / "real" / Path(deb).stem / script
            kept.parent.mkdir(parents=True, exist_ok=True)
            path.rename(kept)
            # Under the name that dpkg gives it, by which debconf finds the package.
            real = f"""sh -c '. {kept}' "$0\""""
            executable(path, WRAPPER.format(name=script, calls=",".join(STARTS), real=real))
    sh(f"dpkg-deb -Znone -b {scratch} {deb}", check=True)


def executable(path, text):
    Path(path).write_text(text)
    os.chmod(path, 0o755)


def runs(layer):
    """Runs of traced programs: name → list of (arguments, trace lines)."""
    found = {}
    for directory in sorted(Path(layer.root + "/fault/log").iterdir()):
        name, number = directory.name.rsplit(".", 1)
        trace = (directory / "trace").read_text(errors="replace").splitlines()
        found[(name, int(number))] = ((directory / "arguments").read_text().strip(), trace)
    return found


def points(found):
    """(name, run, arguments, system call, ordinal) of each point."""
    for (name, number), (arguments, trace) in sorted(found.items()):
        ordinals = collections.Counter()
        for line in trace:
            match = re.match(r"(\w+)\((.*)", line)
            if not match:
                continue
            call, rest = match.groups()
            ordinals[call] += 1
            if name != "appctl":
                yield name, number, arguments, call, ordinals[call]
            elif call in ("openat", "open") and "O_CREAT" not in rest:
                continue
            elif call == "write" and re.match(r"[12], ", rest):
                continue
            else:
                yield name, number, arguments, call, ordinals[call]


def prepare(layer):
    layer.run("rm -rf /fault/log /fault/inject && mkdir /fault/log && : >/fault/inject")


def without_secrets(contents):
    """Each run makes secrets of its own; one that is cut short stands out."""
    return contents and re.sub(rb'"[A-Za-z0-9_-]{48}"', b'"<secret>"', contents)


class Reader(threading.Thread):
    """Polls the watched files; notes what is neither old, nor new, nor missing."""

    def __init__(self, layer, allowed):
        super().__init__()
        self.layer, self.allowed, self.bad, self.seen, self.done, self.reads = layer, allowed, set(), set(), False, 0

    def run(self):
        while not self.done:
            for path, contents in self.allowed.items():
                found = without_secrets(self.layer.read(path))
                self.reads += 1
                if found is not None:
                    self.seen.add(path)
                    if found not in contents:
                        self.bad.add(path)
            time.sleep(PAUSE)


class Visit:
    """What came of a point."""

    def __init__(self):
        self.hit, self.reads, self.seen, self.verdict, self.seconds = False, 0, set(), [], 0.0


class Scenario:
    """What an undisturbed run does and leaves, and what a fault makes of it."""

    def __init__(self, name, start, end, rest):
        self.name, self.start, self.end = name, start, end
        watched = (FAULT / "watch").read_text().split()
        self.before, self.known = Tree(""), {}
        with Layer() as layer:
            old = {path: layer.read(path) for path in watched}
            self.secrets = secrets(layer)
            prepare(layer)
            self.undisturbed(layer, start)
            self.points = list(points(runs(layer)))
            if rest:
                layer.write("/fault/inject", NOTHING)
                self.undisturbed(layer, rest)
            self.wanted = changed(layer)
            self.allowed = {path: {without_secrets(old[path]), without_secrets(layer.read(path))} for path in watched}

    def undisturbed(self, layer, command):
        output = layer.run(command)
        if output.returncode:
            sys.exit(f"fault-points: {self.name}: the undisturbed run fails:\n{output.stdout}")

    def wants(self, path):
        """What must be there: what the undisturbed run has written, else what was there before."""
        if path in self.wanted:
            return self.wanted[path]
        if path not in self.known:
            self.known[path] = self.before.state(path)
        return self.known[path]

    def visit(self, point):
        """Kill at the point, go on, and compare."""
        program, number, _, call, ordinal = point
        visit, began = Visit(), time.monotonic()
        with Layer() as layer:
            prepare(layer)
            layer.write("/fault/inject", f"{program} {number} -e inject={call}:signal=KILL:when={ordinal}\n")
            reader = Reader(layer, self.allowed)
            reader.start()
            first = layer.run(self.start)
            visit.reads = reader.reads
            log = Path(f"{layer.root}/fault/log/{program}.{number}/trace")
            visit.hit = log.exists() and "killed by SIGKILL" in log.read_text(errors="replace")
            layer.write("/fault/inject", NOTHING)
            # What was there before, and what the killed run has made, is what there is at the end.
            kept = secrets(layer) | self.secrets
            second = layer.run(self.end)
            lost = [package for package, text in secrets(layer).items() if kept.get(package, text) != text]
            reader.done = True
            reader.join()
            visit.seen = reader.seen
            left, tree = changed(layer), Tree(layer.root)
            differing = {
                path: (left.get(path) or tree.state(path), self.wants(path)) for path in left.keys() | self.wanted.keys()
            }
        if not visit.hit:
            visit.verdict.append("did not fire")
        if second.returncode:
            visit.verdict.append(f"END fails: {second.stdout[-2000:]}")
        if lost:
            visit.verdict.append(f"secrets have changed: {lost}")
        for path, (found, wanted) in sorted(differing.items()):
            if found != wanted:
                visit.verdict.append(f"{path}: {found}, wanted {wanted}")
        if reader.bad:
            visit.verdict.append(f"half-written: {sorted(reader.bad)}")
        if not visit.reads:
            visit.verdict.append("nothing was read while it ran")
        if visit.verdict and os.environ.get("FAULT_VERBOSE"):
            print(first.stdout, second.stdout, sep="---\n")
        visit.seconds = time.monotonic() - began
        return visit


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--until-red", action="store_true")
    parser.add_argument("--then", default="", metavar="REST")
    parser.add_argument("words", nargs=3, metavar=("SCENARIO", "START", "END"))
    options = parser.parse_args()
    scenario = Scenario(*options.words, options.then)
    todo = scenario.points[:: options.every]
    if options.until_red:
        todo.sort(key=lambda point: (point[0] != "appctl", "write" not in point[3]))
    visits = []
    # Most of a run is waiting for disks and children: two go beside each other.
    with concurrent.futures.ThreadPoolExecutor(max_workers=2) as pool:
        for point, visit in zip(todo, pool.map(scenario.visit, todo)):
            visits.append(visit)
            program, number, arguments, call, ordinal = point
            words = "; ".join(visit.verdict) or "ok"
            run = f"run {number} ({arguments})"
            print(scenario.name, program, run, call, ordinal, f"{visit.seconds:.2f} s", words, flush=True)
            if visit.verdict and options.until_red:
                pool.shutdown(wait=False, cancel_futures=True)
                break
    fired, failures = sum(visit.hit for visit in visits), sum(bool(visit.verdict) for visit in visits)
    unread = sorted(scenario.allowed.keys() - set().union(*(visit.seen for visit in visits)))
    if unread and not options.until_red:
        print(f"{scenario.name}: the reader has seen nothing of {unread}")
    print(
        f"{scenario.name}: {len(visits)} points, {fired} fired, {failures} failed, "
        f"{sum(visit.reads for visit in visits)} reads, {sum(visit.seconds for visit in visits):.1f} s"
    )
    sys.exit(failures > 0 or fired != len(todo) or not todo or bool(unread))


if __name__ == "__main__":
    if sys.argv[1] == "--wrap":
        wrap(sys.argv[2], CHANGES + STARTS if sys.argv[3:] == ["processes"] else CHANGES)
    else:
        main()
