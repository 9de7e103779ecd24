"""Unpack wheels into a new venv as pip does, and run nothing of theirs.

Standard input, JSON: `root`, the venv; `site`, its site-packages, relative to
it; `python`, its interpreter; `headers`, the directory of C headers; `jobs`;
and `wheels` with `path`, `sha256` and `name`, which their headers are put below.
Each wheel is read once, and is nothing but the bytes of that digest. It is
to be started with -I -S: neither the directory that it is started in nor
anything that it unpacks is on its path.

What is not plain is refused with exit status 3 and a line that says why: a path
that leads elsewhere or that two wheels have, a file without a row in RECORD, a
kind of data that installers do not agree about.
"""
import csv
import hashlib
import io
import json
import os
import re
import stat
import sys
import zipfile

SCRIPT = re.compile(rb"#!python[^\n]*\n")


class Refused(Exception):
    pass


def normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def is_plain(path):
    parts = path.split("/")
    return path.isprintable() and "\\" not in path and all(part not in ("", ".", "..") for part in parts)


class Wheel:
    def __init__(self, request, asked):
        self.request = request
        self.file = os.path.basename(asked["path"])
        with open(asked["path"], "rb") as file:
            contents = file.read()
        if hashlib.sha256(contents).hexdigest() != asked["sha256"]:
            raise Refused(f"{self.file} has changed")
        self.archive = zipfile.ZipFile(io.BytesIO(contents))
        self.name, self.version = self.file.split("-")[:2]
        self.asked = asked["name"]
        self.members = [one for one in self.archive.infolist() if not one.is_dir()]
        names = [one.filename for one in self.members]
        if len(set(names)) != len(names) or not all(map(is_plain, names)):
            raise Refused(f"{self.file} has a path that is no plain one, or one twice")
        tops = {name.split("/")[0] for name in names if "/" in name}
        infos = [top for top in tops if top.endswith(".dist-info")]
        if len(infos) != 1 or normal(infos[0]) != normal(f"{self.name}-{self.version}.dist-info"):
            raise Refused(f"{self.file} has not the one dist-info directory of its name")
        self.info = infos[0]
        self.data = infos[0][: -len(".dist-info")] + ".data"
        if any(top.endswith(".data") and top != self.data for top in tops):
            raise Refused(f"{self.file} has data of another distribution")
        wheel = self.text("WHEEL")
        if not re.search(r"^Wheel-Version:\s*1\.\d+\s*$", wheel, re.M):
            raise Refused(f"{self.file} is no wheel of version 1")
        self.rows = {row[0]: row[1:] for row in csv.reader(io.StringIO(self.text("RECORD"))) if row}
        self.places = {name: self.place(name) for name in names}

    def text(self, name):
        try:
            return self.archive.read(f"{self.info}/{name}").decode()
        except (KeyError, UnicodeDecodeError):
            raise Refused(f"{self.file} has no {name} that can be read") from None

    def place(self, name):
        """Where a member goes, relative to the venv."""
        record = f"{self.info}/RECORD"
        if name not in self.rows and name not in (record, f"{record}.jws", f"{record}.p7s"):
            raise Refused(f"{self.file}: {name} has no row in RECORD")
        site = self.request["site"]
        if not name.startswith(f"{self.data}/"):
            return f"{site}/{name}"
        _, kind, rest = (name.split("/", 2) + ["", ""])[:3]
        if kind in ("purelib", "platlib") and rest:
            return f"{site}/{rest}"
        if kind == "scripts" and rest and "/" not in rest:
            return f"bin/{rest}"
        if kind == "headers" and rest:
            return f"{self.request['headers']}/{self.asked}/{rest}"
        if kind == "data" and rest and rest.split("/")[0] != "lib64":
            return rest
        raise Refused(f"{self.file}: {name} is of a kind that is left to the installer")

    def record(self):
        """RECORD with the rows of what is not in site-packages where they lead now."""
        up = "../" * len(self.request["site"].split("/"))
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        for name, place in self.places.items():
            inside = place.removeprefix(self.request["site"] + "/")
            row = self.rows.get(name, ["", ""])
            writer.writerow([inside if inside != place else up + place, *row])
        return out.getvalue().encode()

    def unpack(self, owners):
        for member in self.members:
            place = self.places[member.filename]
            if owners[place] is not self:
                continue
            contents = self.archive.read(member)
            if place == f"{self.request['site']}/{self.info}/RECORD":
                contents = self.record()
            if member.filename.startswith(f"{self.data}/scripts/"):
                line = f"#!{self.request['python']}\n".encode()
                contents = SCRIPT.sub(lambda _: line, contents, count=1) if SCRIPT.match(contents) else contents
            mode = member.external_attr >> 16
            runs = bool(mode and stat.S_ISREG(mode) and mode & 0o111)
            path = os.path.join(self.request["root"], place)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            # Never into a file that is there, and through no link.
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o755 if runs else 0o644), "wb") as file:
                file.write(contents)


def claims(wheels):
    """Which wheel writes a path: the first of those that have the same there."""
    owners, rows = {}, {}
    for wheel in wheels:
        for name, place in wheel.places.items():
            row = wheel.rows.get(name)
            if place in owners and (not row or not row[0] or rows[place] != row):
                raise Refused(f"{place} is in {owners[place].file} and in {wheel.file}")
            owners.setdefault(place, wheel)
            rows.setdefault(place, row)
    return owners


def work(wheels, owners, number, jobs):
    for wheel in wheels[number::jobs]:
        wheel.unpack(owners)


def main():
    request = json.load(sys.stdin)
    wheels = [Wheel(request, asked) for asked in request["wheels"]]
    wheels.sort(key=lambda wheel: -sum(member.file_size for member in wheel.members))
    owners = claims(wheels)
    jobs = max(1, min(request["jobs"], len(wheels)))
    children = []
    for number in range(jobs):
        child = os.fork()
        if child == 0:
            status = 1
            try:
                work(wheels, owners, number, jobs)
                status = 0
            except FileExistsError as fault:
                print(f"{fault.filename} is there already", file=sys.stderr)
                status = 3
            except BaseException:
                sys.excepthook(*sys.exc_info())
            finally:
                sys.stderr.flush()
                os._exit(status)
        children.append(child)
    ended = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    sys.exit(next((status for status in ended if status), 0))


try:
    main()
except (Refused, zipfile.BadZipFile, NotImplementedError, csv.Error) as fault:
    print(fault, file=sys.stderr)
    sys.exit(3)
