"""Run a command on a terminal of its own and tell what became of it.

    terminal.py REPORT SECONDS COMMAND...

What the command shows goes to standard output. REPORT gets JSON: its exit status
or signal, the seconds it took, whether it had to be ended, what somebody typed into
the terminal, and every process that it has left behind. DBA_KEY is put into a
keyring of the session that the command gets and possesses.
"""
import ctypes
import fcntl
import json
import os
import resource
import select
import signal
import sys
import termios
import time
import tty

report, seconds, command = sys.argv[1], float(sys.argv[2]), sys.argv[3:]
libc = ctypes.CDLL(None, use_errno=True)
# PR_SET_CHILD_SUBREAPER: whoever outlives its parent becomes a child of this process.
libc.prctl(36, 1, 0, 0, 0)
key = os.environ.pop("DBA_KEY", "").encode()
if key:
    # KEYCTL_JOIN_SESSION_KEYRING, then add_key(2) to KEY_SPEC_SESSION_KEYRING.
    libc.syscall(250, 1, None)
    libc.syscall(248, b"user", b"dba-canary", key, len(key), -3)

master, slave = os.openpty()
tty.setraw(slave)
began = time.monotonic()
child = os.fork()
if child == 0:
    os.setsid()
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    for number in range(3):
        os.dup2(slave, number)
    os.closerange(3, 1024)
    # A driver that reads too much is ended, not the machine.
    resource.setrlimit(resource.RLIMIT_AS, (6 << 30, 6 << 30))
    os.execvp(command[0], command)


def below(pid):
    """Every descendant of a process, with its command line."""
    found = {}
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as listing:
            children = [int(word) for word in listing.read().split()]
    except OSError:
        return found
    for one in children:
        try:
            with open(f"/proc/{one}/cmdline", "rb") as line:
                words = line.read().replace(b"\0", b" ").decode(errors="replace").strip()
        except OSError:
            words = ""
        # A zombie has no command line; it ends no build.
        if words and one != child:
            found[one] = words[:200]
        found.update(below(one))
    return found


status, ended, shown = None, False, 0
os.set_blocking(master, False)
while True:
    if select.select([master], [], [], 0.02)[0]:
        try:
            data = os.read(master, 1 << 16)
        except OSError:
            data = b""
        shown += len(data)
        if shown < 64 << 20:
            sys.stdout.buffer.write(data)
    elif status is not None:
        break
    if status is None:
        pid, got = os.waitpid(child, os.WNOHANG)
        if pid:
            status = got
        elif time.monotonic() - began > seconds and not ended:
            ended = True
            os.kill(child, signal.SIGKILL)
took = time.monotonic() - began
sys.stdout.flush()

# What dies with the driver may need a moment.
deadline = time.monotonic() + 2
left = below(os.getpid())
if not left:
    # A process has no command line for a moment when it becomes another program.
    time.sleep(0.1)
    left = below(os.getpid())
while left and time.monotonic() < deadline:
    time.sleep(0.02)
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass
    left = below(os.getpid())
for pid in left:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
os.set_blocking(slave, False)
try:
    typed = os.read(slave, 4096).decode(errors="replace")
except BlockingIOError:
    typed = ""
with open(report, "w") as out:
    json.dump(
        {
            "status": os.waitstatus_to_exitcode(status),
            "seconds": took,
            "ended": ended,
            "typed": typed,
            "left": sorted(left.values()),
        },
        out,
    )
