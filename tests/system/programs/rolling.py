"""Asks an address at a steady rate until a file is there; says how that went.

    rolling.py URL RATE FILE [LOG]

Each request is a connection of its own, opened at its moment whatever became of
those before it. One thread does all, so that the client itself takes little of
the machine. One JSON object on standard output: requests sent, per second, the
longest answer in seconds, and what failed. With supervisord's LOG also `ends`: how
long each of its processes took to end meanwhile, by name, and how many of the
failed requests were under way then; `others`, how many were not; and `apart`,
whether no two ended at once.
"""

import collections
import errno
import json
import os
import re
import select
import socket
import sys
import time
import urllib.parse

# An answer that takes longer has failed.
LIMIT = 30.0


class Request:
    """One connection, from its first byte to its end."""

    def __init__(self, address, line):
        self.began, self.ended, self.fault = time.time(), None, None
        self.line, self.answer = line, b""
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        status = self.socket.connect_ex(address)
        if status not in (0, errno.EINPROGRESS):
            self.end(errno.errorcode.get(status, str(status)))

    def go_on(self):
        try:
            if self.line:
                self.line = self.line[self.socket.send(self.line):]
                return
            data = self.socket.recv(65536)
        except BlockingIOError:
            return
        except OSError as error:
            self.end(errno.errorcode.get(error.errno, repr(error)))
            return
        self.answer += data
        if not data:
            status = self.answer.split(b" ", 2)[1:2]
            self.end(None if status == [b"200"] and self.is_whole() else f"answer {self.answer[:40]!r}")

    def is_whole(self):
        head, _, body = self.answer.partition(b"\r\n\r\n")
        lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        return not lengths or len(body) == int(lengths[0].split(b":")[1])

    def end(self, fault):
        self.ended, self.fault = time.time(), fault
        self.socket.close()


class Client:
    def __init__(self, url, rate, file):
        self.address, self.rate, self.file = (url.hostname, url.port), rate, file
        self.line = f"GET {url.path} HTTP/1.1\r\nHost: {url.netloc}\r\nConnection: close\r\n\r\n".encode()
        self.poll, self.open, self.done, self.sent = select.epoll(), {}, [], 0

    def run(self):
        begin = looked = time.monotonic()
        while True:
            now = time.monotonic()
            # Looked for now and then only.
            if now - looked > 0.05:
                looked = now
                if os.path.exists(self.file):
                    break
            while begin + self.sent / self.rate <= now:
                self.send()
            self.wait(max(0.0, begin + self.sent / self.rate - time.monotonic()))
        took = time.monotonic() - begin
        while self.open:
            self.wait(1.0)
        return took

    def send(self):
        self.sent += 1
        request = Request(self.address, self.line)
        if request.ended:
            self.done.append(request)
            return
        number = request.socket.fileno()
        self.open[number] = request
        self.poll.register(number, select.EPOLLOUT)

    def wait(self, seconds):
        for number, _ in self.poll.poll(seconds):
            request = self.open[number]
            was_sending = bool(request.line)
            request.go_on()
            if request.ended:
                self.done.append(self.open.pop(number))
            elif was_sending and not request.line:
                self.poll.modify(number, select.EPOLLIN)
        late = time.time() - LIMIT
        # The oldest comes first.
        for number, request in list(self.open.items())[:1]:
            if request.began < late:
                self.poll.unregister(number)
                request.end(f"no answer in {LIMIT} s")
                self.done.append(self.open.pop(number))


def ends(log, begin):
    """When processes of supervisord have ended since `begin`: name, first and last moment."""
    found, asked = [], {}
    with open(log, encoding="utf-8") as file:
        said = re.findall(r"^(\S+ \S+),(\d+) INFO (waiting for|stopped:) (\S+)", file.read(), re.MULTILINE)
    for moment, milliseconds, what, name in said:
        at = time.mktime(time.strptime(moment, "%Y-%m-%d %H:%M:%S")) + int(milliseconds) / 1000
        if what == "waiting for":
            asked.setdefault(name, at)
        else:
            # The signal comes before the line about it.
            found.append((name, asked.pop(name, at) - 0.1, at))
    return [end for end in found if end[1] >= begin]


def main():
    client = Client(urllib.parse.urlsplit(sys.argv[1]), float(sys.argv[2]), sys.argv[3])
    begin = time.time()
    took = client.run()
    failed = [request for request in client.done if request.fault]
    found = {
        "sent": client.sent,
        "rate": round(client.sent / took),
        "longest": round(max(request.ended - request.began for request in client.done), 3),
        "failed": len(failed),
        "faults": collections.Counter(request.fault for request in failed),
    }
    if sys.argv[4:]:
        found["ends"] = {}
        all_ends = ends(sys.argv[4], begin)
        found["apart"] = all(one[2] <= other[1] for one, other in zip(all_ends, all_ends[1:]))
        for name, first, last in all_ends:
            with_it = [request for request in failed if request.began <= last and request.ended >= first]
            found["ends"][name] = {"seconds": round(last - first, 2), "failed": len(with_it)}
            failed = [request for request in failed if request not in with_it]
        found["others"] = len(failed)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
