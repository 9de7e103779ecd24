"""Processes of a program that has loaded already what takes a second to load.

``forked.py serve NAME`` loads Zope and ZEO's client, says ``ready``, and listens on
the abstract socket NAME until its standard input ends. ``forked.py ask NAME -m MODULE
ARGUMENT...`` or ``forked.py ask NAME SCRIPT ARGUMENT...`` is as if Python had been
started with these words: a child of the server gets them, the caller's environment,
directory and standard streams. The caller ends as the child does, by a signal, too,
and the child ends with the caller.
"""

import array
import json
import os
import select
import signal
import socket
import sys


def ask(name, words):
    request = json.dumps({"words": words, "environment": dict(os.environ), "directory": os.getcwd()}).encode()
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect("\0" + name)
        streams = array.array("i", [0, 1, 2])
        connection.sendmsg([len(request).to_bytes(4, "big")], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, streams)])
        connection.sendall(request)
        status = int.from_bytes(_exactly(connection, 4), "big")
    if os.WIFSIGNALED(status):
        os.kill(os.getpid(), os.WTERMSIG(status))
    sys.exit(os.WEXITSTATUS(status))


def serve(name):
    import importlib

    for module in LOADED:
        importlib.import_module(module)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind("\0" + name)
    listener.listen(64)
    print("ready", flush=True)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        readable, _, _ = select.select([listener, sys.stdin], [], [])
        if sys.stdin in readable:
            return None
        connection, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            return _keep(connection)
        connection.close()


def _keep(connection):
    """In a child: start the program, and tell the caller how it ended. Returns in the program only."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    head, ancillary, _, _ = connection.recvmsg(4, socket.CMSG_SPACE(3 * 4))
    streams = array.array("i", ancillary[0][2])
    request = json.loads(_exactly(connection, int.from_bytes(head, "big")))
    program = os.fork()
    if program == 0:
        connection.close()
        for target, stream in enumerate(streams):
            os.dup2(stream, target)
            os.close(stream)
        return request
    for stream in (0, 1, 2, *streams):
        os.close(stream)
    ended = os.pidfd_open(program)
    readable, _, _ = select.select([connection, ended], [], [])
    if ended not in readable:
        os.kill(program, signal.SIGKILL)
    _, status = os.waitpid(program, 0)
    try:
        connection.sendall(status.to_bytes(4, "big"))
    except OSError:
        pass
    os._exit(0)


def _become(request):
    import runpy

    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["directory"])
    paths = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    sys.path[:0] = [path for path in paths if path not in sys.path]
    for path in paths:
        # As site does at a start.
        if os.path.exists(os.path.join(path, "sitecustomize.py")):
            runpy.run_path(os.path.join(path, "sitecustomize.py"))
    first, *rest = request["words"]
    if first == "-m":
        sys.argv = rest
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
    else:
        sys.argv = request["words"]
        runpy.run_path(first, run_name="__main__")


def _exactly(connection, count):
    data = b""
    while len(data) < count:
        more = connection.recv(count - len(data))
        if not more:
            sys.exit("forked.py: the other end is gone")
        data += more
    return data


#: What zeoclient and look.py import, also where they do so late.
LOADED = (
    "OFS.Application",
    "OFS.userfolder",
    "ZEO.ClientStorage",
    "ZODB.blob",
    "argparse",
    "resource",
    "zeoclient.bootstrap",
    "zeoclient.status",
)

if __name__ == "__main__":
    if sys.argv[1] == "ask":
        ask(sys.argv[2], sys.argv[3:])
    wanted = serve(sys.argv[2])
    if wanted is not None:
        _become(wanted)
