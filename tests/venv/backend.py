"""A build backend (PEP 517) that needs nothing: notes.py, with what EXTRA.json adds."""
import base64
import hashlib
import json
import os
import zipfile


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    info = "notes-1.0.dist-info"
    metadata = "Metadata-Version: 2.1\nName: notes\nVersion: 1.0\n"
    if os.path.exists("EXTRA.json"):
        with open("EXTRA.json") as file:
            metadata += "".join(line + "\n" for line in json.load(file))
    with open("notes.py", "rb") as file:
        module = file.read()
    files = {
        "notes.py": module,
        f"{info}/METADATA": metadata.encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": b"[console_scripts]\nnotes = notes:main\n",
    }
    rows = ""
    for path, data in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        rows += f"{path},sha256={digest},{len(data)}\n"
    files[f"{info}/RECORD"] = (rows + f"{info}/RECORD,,\n").encode()
    name = "notes-1.0-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(wheel_directory, name), "w") as archive:
        for path, data in files.items():
            archive.writestr(zipfile.ZipInfo(path, (2020, 1, 1, 0, 0, 0)), data)
    return name
