# resolve.sh PLACE GIVEN SIZE ARGUMENT...: run uv on a copy of the source, as root of
# namespaces whose first process ends all others: a project or a source archive can run
# code of its own to say what it needs. PLACE has as much room as is given, or gets SIZE
# bytes, where SIZE is not 0; GIVEN has source.tar, uv and the lines for uv. What runs
# sees a root of its own with the system's programs and the copy, has no capability, and
# is dead before the lock that it has left is looked at.
# shellcheck shell=sh
set -eu
place=$1 given=$2 size=$3
shift 3
mkdir -p "$place/room" "$place/out"
room=$place/room
[ "$size" = 0 ] || mount -t tmpfs -o "mode=755,size=$size" none "$room"
mkdir "$room/root"
mount --bind "$room/root" "$room/root"
cd "$room/root"
mkdir etc proc dev tmp old home source
chmod 1777 tmp
tar -x --no-same-owner --no-same-permissions -C source -f "$given/source.tar"
# Who cannot read a program cannot look into the process either (ptrace(2)): it knows passwords.
cp "$given/uv" uv
chmod 111 uv
drop="prlimit --nproc=4096 setpriv --no-new-privs --inh-caps=-all --bounding-set=-all"
if [ "$size" = 0 ]; then
    chown -hR 65534:65534 source home
    drop="$drop --reuid=65534 --regid=65534 --clear-groups"
fi
show() {
    mkdir -p ".$2"
    mount --rbind "$1" ".$2"
    # What the host has mounted with more flags may not be mounted with less.
    mount -o remount,bind,ro ".$2" 2>/dev/null || true
}
show /usr /usr
for name in bin lib lib32 lib64 libx32 sbin; do
    if [ -L "/$name" ]; then cp -P "/$name" .; elif [ -d "/$name" ]; then show "/$name" "/$name"; fi
done
for name in group host.conf hosts ld.so.cache localtime nsswitch.conf os-release passwd protocols resolv.conf services; do
    [ ! -f "/etc/$name" ] || cp -L "/etc/$name" etc
done
for name in /etc/alternatives /etc/ssl/certs /etc/python3* /etc/ld.so.conf.d; do
    [ ! -d "$name" ] || show "$name" "$name"
done
number=0
for argument; do
    case $argument in
        --default-index=file:///*|--index=file:///*)
            path=${argument#*file://}
            if [ -d "$place/index/$number" ]; then show "$place/index/$number" "$path"; else show "$path" "$path"; fi
            number=$((number + 1)) ;;
    esac
done
if [ -f "$given/certificates" ]; then
    cp "$given/certificates" etc/certificates
    chmod 644 etc/certificates
    set -- SSL_CERT_FILE=/etc/certificates "$@"
fi
for name in full null random urandom zero; do
    touch "dev/$name"
    mount --bind "/dev/$name" "dev/$name"
done
for name in ALL_PROXY HTTPS_PROXY HTTP_PROXY NO_PROXY all_proxy https_proxy http_proxy no_proxy; do
    eval "value=\${$name:-}"
    # shellcheck disable=SC2154
    [ -z "$value" ] || set -- "$name=$value" "$@"
done
# Run within a process namespace: DROP ARGUMENT...
# shellcheck disable=SC2016
inside='
drop=$1
shift
# Not everywhere may one be mounted.
mount -t proc none proc 2>/dev/null || true
pivot_root . old
cd /source
umount -l /old
exec env -i HOME=/home UV_CACHE_DIR=/home/cache TMPDIR=/tmp LC_ALL=C.UTF-8 \
    PATH=/usr/local/bin:/usr/bin:/bin $drop env "$@"
'
echo 'resolve: contained'
status=0
# Read once, through a pipe: whoever gets it as standard input afterwards reads nothing.
# shellcheck disable=SC2002
cat "$given/lines" | unshare --mount --propagation=private --pid --fork --kill-child=KILL \
    sh -euc "$inside" sh "$drop" "$@" || status=$?
[ "$status" = 0 ] && [ "$size" != 0 ] || exit "$status"
# This room goes with its last process, and nobody else reaches it: names mean what they meant.
cd "$room/root/source"
if [ -L debian ] || [ -L debian/requirements.lock ] || [ ! -f debian/requirements.lock ]; then
    echo "no lock was left, but something in its place" >&2
    exit 1
fi
# A byte more than is taken says that there is more.
dd if=debian/requirements.lock iflag=nofollow,nonblock,count_bytes count=67108865 bs=64K status=none \
    of="$place/out/requirements.lock"
