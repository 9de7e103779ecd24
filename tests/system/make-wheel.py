"""Make a wheel: make-wheel.py DIRECTORY NAME VERSION REQUIRES [PATH TEXT]...

REQUIRES are requirements with commas between. A text given for the path
`entry_points.txt` goes into the metadata. The same arguments give the same bytes.
"""
import base64
import hashlib
import os
import sys
import zipfile

directory, name, version, requires, *pairs = sys.argv[1:]
info = f"{name}-{version}.dist-info"
metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
metadata += "".join(f"Requires-Dist: {one}\n" for one in requires.split(",") if one)
files = {
    (f"{info}/{path}" if path == "entry_points.txt" else path): text for path, text in zip(pairs[::2], pairs[1::2])
}
files[f"{info}/METADATA"] = metadata
files[f"{info}/WHEEL"] = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
rows = []
for path, text in files.items():
    digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
    rows.append(f"{path},sha256={digest},{len(text.encode())}\n")
files[f"{info}/RECORD"] = "".join(rows) + f"{info}/RECORD,,\n"
os.makedirs(directory, exist_ok=True)
with zipfile.ZipFile(f"{directory}/{name}-{version}-py3-none-any.whl", "w") as wheel:
    for path, text in files.items():
        wheel.writestr(zipfile.ZipInfo(path), text)
