"""A package index that is not to be trusted, on a port of its own, until standard input closes.

    index.py SECRET

Prints its port and the sha256 of the only wheel. SECRET is a file that its pages name.
"""
import hashlib
import http.server
import io
import os
import sys
import threading
import zipfile

secret = sys.argv[1]
buffer = io.BytesIO()
with zipfile.ZipFile(buffer, "w") as wheel:
    for name, text in {
        "tiny.py": "",
        "tiny-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n",
        "tiny-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "tiny-1.0.dist-info/RECORD": "tiny.py,,\ntiny-1.0.dist-info/METADATA,,\ntiny-1.0.dist-info/WHEEL,,\ntiny-1.0.dist-info/RECORD,,\n",
    }.items():
        wheel.writestr(zipfile.ZipInfo(name), text)
bytes_ = buffer.getvalue()
digest = hashlib.sha256(bytes_).hexdigest()
name = "tiny-1.0-py3-none-any.whl"
nothing = hashlib.sha256(b"").hexdigest()


def page(*rows):
    return "".join(f'<a href="{href}">{text}</a>\n' for href, text in rows).encode()


good = f"/files/{name}#sha256={digest}"
PAGES = {
    "/simple/tiny/": page((good, name)),
    "/anchor/tiny/": page((good, "tiny-1.0-py3-none-any.x/../../../../outside/made.whl")),
    "/link/tiny/": page((f"file://{secret}#sha256={nothing}", name)),
    "/redirect/tiny/": page((f"/redirected/{name}#sha256={nothing}", name)),
    "/options/tiny/": page(
        (good, "--output=tiny-1.0-py3-none-any.whl"),
        (good, "-1.0-py3-none-any.whl"),
        (f"{good}\noutput = x", "tiny-1.0-py3-none-any.\x1b]0;dba-escaped\x07.whl"),
    ),
}


class Handler(http.server.BaseHTTPRequestHandler):
    """Those pages, and the wheel by whatever name."""

    def do_GET(self):
        """Answer."""
        if self.path.startswith("/redirected/"):
            self.send_response(302)
            self.send_header("Location", f"file://{secret}")
            self.end_headers()
            return
        body = bytes_ if self.path.startswith("/files/") else PAGES.get(self.path)
        self.send_response(200 if body is not None else 404)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body or b"")))
        self.end_headers()
        self.wfile.write(body or b"")

    def log_message(self, *_):
        """Nobody reads it."""


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, digest, flush=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
sys.stdin.read()
os._exit(0)
