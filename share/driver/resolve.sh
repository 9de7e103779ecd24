# resolve.sh UV ARGUMENT...: run uv in a copy of the working directory, which it
# may change; print the lock that it leaves. A project or a source archive can run
# code of its own to say what it needs: as root, that happens as nobody.
# shellcheck shell=sh
set -eu
uv=$1
shift
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
mkdir "$work/source" "$work/home"
tar -c --exclude-vcs --exclude=./target --exclude=./debian/wheelhouse . | tar -x --no-same-owner -C "$work/source"
cat >"$work/lines"
if [ "$(id -u)" = 0 ]; then
    # Said before the copy fails in other words.
    command -v "$uv" >/dev/null || { echo "$uv: not found" >&2 && exit 127; }
    # uv may lie where only root can reach it.
    cp "$(command -v "$uv")" "$work/uv"
    uv=$work/uv
    chmod 755 "$work"
    chown -R nobody: "$work/source" "$work/home"
    export HOME="$work/home" UV_CACHE_DIR="$work/home/cache" PATH=/usr/local/bin:/usr/bin:/bin
    set -- setpriv --reuid=nobody --regid=nogroup --clear-groups --no-new-privs "$uv" "$@"
else
    # Whoever kills the driver means this, too.
    set -- setpriv --pdeathsig KILL "$uv" "$@"
fi
cd "$work/source"
"$@" <"$work/lines" >&2
cat debian/requirements.lock
