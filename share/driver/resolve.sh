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
mkdir "$work/source"
tar -c --exclude-vcs --exclude=./target --exclude=./debian/wheelhouse . | tar -x --no-same-owner -C "$work/source"
cat >"$work/lines"
if [ "$(id -u)" = 0 ]; then
    # Said before the copy fails in other words.
    command -v "$uv" >/dev/null || { echo "$uv: not found" >&2 && exit 127; }
    # uv may lie where only root can reach it.
    cp "$(command -v "$uv")" "$work/uv"
    uv=$work/uv
    chown -R nobody: "$work"
    export HOME="$work" UV_CACHE_DIR="$work/cache" PATH=/usr/local/bin:/usr/bin:/bin
    set -- setpriv --reuid=nobody --regid=nogroup --clear-groups --no-new-privs "$uv" "$@"
else
    set -- "$uv" "$@"
fi
cd "$work/source"
"$@" <"$work/lines" >&2
cat debian/requirements.lock
