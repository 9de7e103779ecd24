# resolve.sh TRUSTED UV ARGUMENT...: run uv in a copy of the working directory, which
# it may change; print the lock that it leaves. A project or a source archive can run
# code of its own to say what it needs. It sees a root of its own with the system's
# programs and this copy, as nobody where root runs this; it has no terminal and no
# capability, and is dead before anything that it has left is read. Where no such
# room can be made, it runs only if TRUSTED is 1. Exit status 77: it does not.
# shellcheck shell=sh
set -eu
trusted=$1
uv=$2
shift 2
work=$(mktemp -d "${TMPDIR:-/var/tmp}/deb-build-app.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
# Held as long as anything of this run lives: what a killed run has left is free.
exec 9<"$work"
flock 9
for old in "${work%.*}".??????; do
    if [ -d "$old" ] && [ ! -L "$old" ] && [ -O "$old" ] && [ -n "$(find "$old" -maxdepth 0 -mmin +0.1)" ]; then
        ! flock -n "$old" true || rm -rf "$old"
    fi
done
mkdir "$work/source" "$work/home" "$work/root"
tar -c --exclude-vcs --exclude=./target --exclude=./debian/wheelhouse . |
    tar -x --no-same-owner --no-same-permissions -C "$work/source"
cat >"$work/lines"
# Said before the copy fails in other words.
command -v "$uv" >/dev/null || { echo "$uv: not found" >&2 && exit 127; }
# uv may lie where nobody else can reach it.
cp "$(command -v "$uv")" "$work/uv"
room="unshare --mount --propagation=private --ipc --pid --fork --kill-child=KILL"
drop="setpriv --no-new-privs --inh-caps=-all --bounding-set=-all"
if [ "$(id -u)" = 0 ]; then
    chown -R nobody: "$work/source" "$work/home"
    drop="$drop --reuid=nobody --regid=nogroup --clear-groups"
else
    room="$room --user --map-root-user"
fi
# Run within the namespaces: WORK DROP ARGUMENT...
# shellcheck disable=SC2016
inside='
work=$1 drop=$2
shift 2
mount -t tmpfs -o mode=755 none "$work/root"
cd "$work/root"
show() {
    mkdir -p "./$1"
    mount --rbind "$1" "./$1"
    # What the host has mounted with more flags may not be mounted with less.
    mount -o remount,bind,ro "./$1" 2>/dev/null || true
}
show /usr
for name in bin lib lib32 lib64 libx32 sbin; do
    if [ -L "/$name" ]; then cp -P "/$name" .; elif [ -d "/$name" ]; then show "/$name"; fi
done
mkdir etc proc dev tmp old home source
chmod 1777 tmp
for name in group host.conf hosts ld.so.cache localtime nsswitch.conf os-release passwd protocols resolv.conf services; do
    [ ! -f "/etc/$name" ] || cp -L "/etc/$name" etc
done
for name in /etc/alternatives /etc/ssl/certs /etc/python3* /etc/ld.so.conf.d; do
    [ ! -d "$name" ] || show "$name"
done
for argument; do
    case $argument in
        --default-index=file:///*|--index=file:///*) show "${argument#*file://}" ;;
    esac
done
if [ -n "${SSL_CERT_FILE:-}" ] && [ -f "$SSL_CERT_FILE" ] && [ ! -e "./$SSL_CERT_FILE" ]; then
    mkdir -p "./${SSL_CERT_FILE%/*}"
    cp -L "$SSL_CERT_FILE" "./$SSL_CERT_FILE"
fi
for name in full null random urandom zero; do
    touch "dev/$name"
    mount --bind "/dev/$name" "dev/$name"
done
# Not everywhere may one be mounted; the machine has none to lend, with its processes in it.
mount -t proc none proc 2>/dev/null || true
mount --bind "$work/source" source
mount --bind "$work/home" home
cp "$work/uv" uv
chmod 755 uv
pivot_root . old
cd /source
umount -l /old
for name in ALL_PROXY HTTPS_PROXY HTTP_PROXY NO_PROXY all_proxy https_proxy http_proxy no_proxy SSL_CERT_FILE; do
    eval "value=\${$name:-}"
    # shellcheck disable=SC2154
    [ -z "$value" ] || set -- "$name=$value" "$@"
done
exec env -i HOME=/home UV_CACHE_DIR=/home/cache TMPDIR=/tmp LC_ALL=C.UTF-8 \
    PATH=/usr/local/bin:/usr/bin:/bin $drop env "$@"
'
# $room is words, and what is in quotation marks is the inner shell's.
# shellcheck disable=SC2086,SC2016
if $room sh -ec 'mount -t tmpfs none "$1"' sh "$work/root" 2>"$work/said"; then
    # Without the descriptor that leads out of the new root; over an hour, nothing is resolved any more.
    set -- $room sh -euc "$inside" sh "$work" "$drop" /uv "$@"
    setsid --wait timeout --signal=KILL 3600 "$@" <"$work/lines" >&2 9<&-
elif [ "$trusted" = 1 ]; then
    cd "$work/source"
    if [ "$(id -u)" = 0 ]; then
        chmod 755 "$work"
        export HOME="$work/home" UV_CACHE_DIR="$work/home/cache" PATH=/usr/local/bin:/usr/bin:/bin
        set -- $drop "$work/uv" "$@"
    else
        # Whoever kills the driver means this, too.
        set -- setpriv --pdeathsig KILL "$work/uv" "$@"
    fi
    setsid --wait "$@" <"$work/lines" >&2 9<&-
else
    cat "$work/said" >&2
    exit 77
fi
# Nothing of it lives now, and nobody else reaches this place: names mean what they meant.
cd "$work/source"
if [ -L debian ] || [ -L debian/requirements.lock ] || [ ! -f debian/requirements.lock ]; then
    echo "no lock was left, but something in its place" >&2
    exit 1
fi
# A byte more than is taken says that there is more.
dd if=debian/requirements.lock iflag=nofollow,nonblock,count_bytes count=67108865 bs=64K status=none
