"""Make tiny wheels and source archives, the same bytes each time.

Usage: wheels.py DIRECTORY, with a JSON list on standard input; prints the
files' digests as a JSON object. Keys of an item: name, version, files, scripts
(entry points), requires, extras, damaged (a path whose RECORD row is wrong),
backend (a source archive is made, built by this build backend).
"""
import base64
import hashlib
import io
import json
import os
import sys
import tarfile
import zipfile


def row(path, data):
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
    return f"{path},sha256={digest},{len(data)}\n"


def metadata(item):
    lines = ["Metadata-Version: 2.1", f"Name: {item['name']}", f"Version: {item['version']}"]
    lines += [f"Provides-Extra: {extra}" for extra in item.get("extras", [])]
    lines += [f"Requires-Dist: {text}" for text in item.get("requires", [])]
    return "\n".join(lines) + "\n"


def wheel(item):
    stem = f"{item['name'].replace('-', '_')}-{item['version']}"
    info = f"{stem}.dist-info"
    files = {path: text.encode() for path, text in item.get("files", {}).items()}
    files[f"{info}/METADATA"] = metadata(item).encode()
    files[f"{info}/WHEEL"] = b"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    if item.get("scripts"):
        lines = "".join(f"{name} = {target}\n" for name, target in item["scripts"].items())
        files[f"{info}/entry_points.txt"] = f"[console_scripts]\n{lines}".encode()
    record = "".join(
        row(path, b"something else" if path == item.get("damaged") else data) for path, data in files.items()
    )
    files[f"{info}/RECORD"] = (record + f"{info}/RECORD,,\n").encode()
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for path, data in files.items():
            entry = zipfile.ZipInfo(path, (2020, 1, 1, 0, 0, 0))
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, data)
    return f"{stem}-py3-none-any.whl", out.getvalue()


def source(item):
    stem = f"{item['name']}-{item['version']}"
    project = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    files = {"PKG-INFO": metadata(item), "pyproject.toml": project, "backend.py": item["backend"]}
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for path, text in files.items():
            entry = tarfile.TarInfo(f"{stem}/{path}")
            entry.size = len(text.encode())
            archive.addfile(entry, io.BytesIO(text.encode()))
    return f"{stem}.tar.gz", out.getvalue()


def main():
    directory = sys.argv[1]
    os.makedirs(directory, exist_ok=True)
    digests = {}
    for item in json.load(sys.stdin):
        name, data = source(item) if "backend" in item else wheel(item)
        with open(os.path.join(directory, name), "wb") as file:
            file.write(data)
        digests[item["name"]] = hashlib.sha256(data).hexdigest()
    json.dump(digests, sys.stdout)


main()
