# pack.sh: this system as one archive, in /run/archive, for tools that unpack their
# systems. /dev is what debootstrap makes it: pbuilder mounts onto these names.
# shellcheck shell=sh
set -eu
own=$(mktemp -d)
mkdir -p "$own/dev/pts" "$own/dev/shm"
chmod 755 "$own" "$own/dev"
node() { # node NAME MAJOR MINOR
    mknod -m 666 "$own/dev/$1" c "$2" "$3"
}
node null 1 3
node zero 1 5
node full 1 7
node random 1 8
node urandom 1 9
node tty 5 0
node ptmx 5 2
ln -s /proc/self/fd "$own/dev/fd"
ln -s /proc/self/fd/0 "$own/dev/stdin"
ln -s /proc/self/fd/1 "$own/dev/stdout"
ln -s /proc/self/fd/2 "$own/dev/stderr"
tar --one-file-system --numeric-owner --exclude=./run/archive --exclude="./${own#/}" -C / -cf /run/archive/system.tar .
tar --numeric-owner -C "$own" -rf /run/archive/system.tar ./dev
