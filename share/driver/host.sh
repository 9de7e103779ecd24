# host.sh TREE ORIGS RESULT NAME KIND ROOM ARCHIVE SUITE ARCH NETWORK: build on
# this machine as it is, in memory, as nobody. Runs in mount, process and network
# namespaces of its own.
# shellcheck shell=sh
set -eu
tree=$1 origs=$2 result=$3 name=$4 kind=$5 room=$6
if [ "$(id -u)" = 0 ]; then
    mount -t proc proc /proc
    mount -t tmpfs -o "mode=755,size=$room" build /mnt
    place=/mnt/build
else
    place=$result/build
fi
mkdir -p "$place/home" "$place/$name"
cp -a "$tree/." "$place/$name"
for file in "$origs"/*; do
    [ ! -f "$file" ] || cp "$file" "$place/"
done
if [ "$(id -u)" = 0 ]; then
    chown -hR nobody: "$place"
    set -- setpriv --reuid=nobody --regid=nogroup --clear-groups --no-new-privs
else
    set --
fi
cd "$place/$name"
env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME="$place/home" LC_ALL=C.UTF-8 \
    ${DEB_BUILD_OPTIONS:+"DEB_BUILD_OPTIONS=$DEB_BUILD_OPTIONS"} \
    ${DEB_BUILD_PROFILES:+"DEB_BUILD_PROFILES=$DEB_BUILD_PROFILES"} ${TZ:+"TZ=$TZ"} \
    "$@" dpkg-buildpackage -us -uc --build="$kind"
for file in "$place"/*; do
    [ ! -f "$file" ] || [ -L "$file" ] || cp "$file" "$result/"
done
[ "$place" = /mnt/build ] || rm -rf "$place"
