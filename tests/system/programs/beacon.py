"""Programs of the tests: each start of one writes a line."""

import os
import signal
import socket
import sys
import time
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer


def note(name):
    umask = os.umask(0o27)
    os.umask(umask)
    with open(f"/var/lib/beacon/starts.{name}", "a", encoding="utf-8") as file:
        print(os.getpid(), sys.prefix, os.getcwd(), oct(umask), os.environ.get("COLOUR"), file=file)


class Page(SimpleHTTPRequestHandler):
    def do_GET(self):
        body = f"{os.getpid()}\n".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        print("request", flush=True)


def serve(listening):
    server = ThreadingHTTPServer(("", 0), Page, bind_and_activate=False)
    server.socket = listening
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    server.serve_forever()


def ready():
    """sd_notify(3)."""
    if address := os.environ.get("NOTIFY_SOCKET"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.sendto(b"READY=1", address.replace("@", "\0", 1))


def listen_to_events():
    """supervisor's protocol of event listeners."""
    while True:
        print("READY", end="\n", flush=True)
        head = dict(word.split(":") for word in sys.stdin.readline().split())
        sys.stdin.read(int(head["len"]))
        with open("/var/lib/beacon/events", "a", encoding="utf-8") as file:
            print(head["eventname"], file=file)
        print("RESULT 2\nOK", end="", flush=True)


def main():
    name, mode, *options = sys.argv[1:]
    note(name)
    print(name, "begins", file=sys.stderr, flush=True)
    match mode:
        case "web":
            serve(socket.create_server(("127.0.0.1", int(options[0])), reuse_port=True))
        case "passed":
            # The number of the descriptor: 3 of systemd, 0 of a FastCGI program.
            listening = socket.socket(fileno=int(options[0]))
            time.sleep(float(options[1]))
            ready()
            serve(listening)
        case "events":
            listen_to_events()
        case "dies":
            time.sleep(0.2)
            sys.exit(f"{name}: there is no such module")
        case "picky":
            # The first of several does not start while this file is there.
            if options[0] == "0" and os.path.exists("/var/lib/beacon/no-first"):
                sys.exit(f"{name}: the first one does not start")
            while True:
                time.sleep(60)
        case "work":
            while True:
                time.sleep(60)
