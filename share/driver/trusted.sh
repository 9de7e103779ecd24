# trusted.sh GIVEN ARGUMENT...: what resolve.sh does, for a source that somebody trusts,
# where no room can be made for it: with the rights of whoever runs this, or as nobody
# where that is root. Prints the lock that is left.
# shellcheck shell=sh
set -eu
given=$1
shift
work=$(mktemp -d "${TMPDIR:-/var/tmp}/deb-build-app.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
mkdir "$work/source" "$work/home"
tar -x --no-same-owner --no-same-permissions -C "$work/source" -f "$given/source.tar"
cp "$given/uv" "$work/uv"
chmod 755 "$work/uv"
if [ -f "$given/certificates" ]; then
    cp "$given/certificates" "$work/certificates"
    chmod 644 "$work/certificates"
    export SSL_CERT_FILE="$work/certificates"
fi
# The program's own path within its room.
shift
set -- "$work/uv" "$@"
if [ "$(id -u)" = 0 ]; then
    chown -hR nobody: "$work/source" "$work/home"
    chmod 755 "$work"
    export HOME="$work/home" UV_CACHE_DIR="$work/home/cache" PATH=/usr/local/bin:/usr/bin:/bin
    set -- setpriv --no-new-privs --inh-caps=-all --bounding-set=-all --reuid=nobody --regid=nogroup --clear-groups "$@"
fi
cd "$work/source"
# Through a pipe, as in resolve.sh.
# shellcheck disable=SC2002
cat "$given/lines" | setpriv --pdeathsig KILL "$@" >&2
if [ -L debian ] || [ -L debian/requirements.lock ] || [ ! -f debian/requirements.lock ]; then
    echo "no lock was left, but something in its place" >&2
    exit 1
fi
# A byte more than is taken says that there is more.
dd if=debian/requirements.lock iflag=nofollow,nonblock,count_bytes count=67108865 bs=64K status=none
