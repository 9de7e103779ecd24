# purge.sh PACKAGE...: nothing of the packages stays, and no process of theirs.
# shellcheck shell=sh
set -eu
DEBIAN_FRONTEND=noninteractive dpkg --purge "$@"
for package; do
    if dpkg-query -W "$package" >/dev/null 2>&1; then
        echo "$package is still there"
        exit 1
    fi
done
