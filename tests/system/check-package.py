"""Verify an unpacked package: check-package.py ROOT PREFIX WORD...

No file, name, link or code object below ROOT holds one of the WORDs (build
path, home). Every RECORD row of the venv at PREFIX verifies, and every file of
site-packages and bin that an installer made has one. Prints each fault.
"""
import base64
import csv
import hashlib
import marshal
import os
import sys
import types

root, prefix, *words = sys.argv[1:]
faults = []
listed = set()
pycs = rows = 0


def names(code):
    yield code.co_filename
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from names(constant)


for directory, directories, files in os.walk(root):
    for name in directories + files:
        path = os.path.join(directory, name)
        shown = os.path.relpath(path, root)
        if os.path.islink(path):
            held = os.readlink(path).encode()
        elif os.path.isfile(path):
            with open(path, "rb") as file:
                held = file.read()
        else:
            held = b""
        for word in words:
            if word.encode() in held or word in shown:
                faults.append(f"{shown} holds {word}")
        if name.endswith(".pyc") and held:
            pycs += 1
            for source in set(names(marshal.loads(held[16:]))):
                expected = "/" + os.path.join(os.path.dirname(os.path.dirname(shown)), name.split(".")[0] + ".py")
                if source != expected and not source.startswith("<"):
                    faults.append(f"{shown} is of {source}, not {expected}")

base = os.path.join(root, prefix.lstrip("/"))
(site,) = [
    os.path.join(base, "lib", name, "site-packages") for name in os.listdir(os.path.join(base, "lib")) if name.startswith("python3")
]
for info in sorted(os.listdir(site)):
    if not info.endswith(".dist-info"):
        continue
    with open(os.path.join(site, info, "RECORD"), newline="") as file:
        for path, digest, size in csv.reader(file):
            rows += 1
            target = os.path.normpath(os.path.join(site, path))
            if target in listed:
                faults.append(f"{path} is listed twice")
            listed.add(target)
            if not os.path.isfile(target):
                faults.append(f"{info}: {path} is missing")
                continue
            with open(target, "rb") as file:
                held = file.read()
            if not digest and path != f"{info}/RECORD":
                faults.append(f"{info}: {path} has no digest")
            if digest:
                kind, value = digest.split("=", 1)
                found = base64.urlsafe_b64encode(hashlib.new(kind, held).digest()).rstrip(b"=").decode()
                if found != value or (size and int(size) != len(held)):
                    faults.append(f"{info}: {path} differs from its row")
for directory, _, files in os.walk(site):
    for name in files:
        path = os.path.normpath(os.path.join(directory, name))
        if path not in listed:
            faults.append(f"{os.path.relpath(path, site)} is in no RECORD")
if not rows or not pycs:
    faults.append(f"{rows} rows, {pycs} pycs: nothing was checked")
print("\n".join(faults[:40]))
sys.exit(1 if faults else 0)
