# imports.sh PROGRAM PACKAGE...: the modules of the packages' venvs, imported.
#
# Only what the packages depend on is there. A library or a part of Python that is
# missing now was there when the package was built, and stands in no Depends; for
# its other failures a module may have its reasons, as dh_venv has judged. PROGRAM
# is share/python/imports.py.
# shellcheck shell=sh
set -eu
program=$1
shift
failed=
for package; do
    for file in $(dpkg -L "$package" | grep '/pyvenv\.cfg$' || :); do
        python=${file%/*}/bin/python
        modules=$("$python" -I -B -c '
import importlib.metadata, sys, sysconfig
site = sysconfig.get_path("purelib")
names = set()
for one in importlib.metadata.distributions(path=[site]):
    for path in one.files or ():
        first, *rest = path.parts
        if rest == ["__init__.py"]:
            names.add(first)
        elif not rest and path.suffix in (".py", ".so"):
            names.add(first.split(".")[0])
tools = {"conftest", "setup"}
print(*sorted(name for name in names if name.isidentifier() and not name.startswith("__") and name not in tools))')
        # shellcheck disable=SC2086
        said=$(setpriv --reuid=nobody --regid=nogroup --clear-groups \
            "$python" -I -B -c "$program" once "$(nproc)" $modules)
        # shellcheck disable=SC2086
        echo "$said" | "$python" -I -B -c '
import json, re, sys
missing = []
for module, kind, text in json.load(sys.stdin):
    part = re.search(r"No module named .([A-Za-z0-9_]+)", text)
    if "cannot open shared object file" in text or part and part[1] in sys.stdlib_module_names:
        missing.append(f"module {module} cannot be imported: {text}")
package, *modules = sys.argv[1:]
print(f"{package}: {len(modules)} modules tried, {len(missing)} lack what no dependency brings", *missing, sep="\n")
sys.exit(missing != [])' "$package" $modules || failed=yes
    done
done
[ -z "$failed" ]
