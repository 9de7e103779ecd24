# pack.sh: this system as one archive, in /run/archive, for tools that unpack their
# systems. Device nodes are for nobody here to make: they are mounted when it is used.
# shellcheck shell=sh
set -eu
own=$(mktemp -d)
mkdir -p "$own/dev/pts" "$own/dev/shm" "$own/proc" "$own/sys"
chmod 755 "$own" "$own/dev" "$own/proc" "$own/sys"
ln -s pts/ptmx "$own/dev/ptmx"
ln -s /proc/self/fd "$own/dev/fd"
ln -s /proc/self/fd/0 "$own/dev/stdin"
ln -s /proc/self/fd/1 "$own/dev/stdout"
ln -s /proc/self/fd/2 "$own/dev/stderr"
# What is mounted here may be owned by an id that nobody has in there.
tar --one-file-system --numeric-owner --exclude=./dev --exclude=./proc --exclude=./sys --exclude=./run/archive \
    --exclude="./${own#/}" -C / -cf /run/archive/system.tar .
tar --numeric-owner -C "$own" -rf /run/archive/system.tar ./dev ./proc ./sys
