# host.sh TREE ORIGS PLACE NAME KIND: build on this machine as it is, in PLACE; as
# nobody where root runs it. Runs in mount, process and network namespaces of its own.
# shellcheck shell=sh
set -eu
tree=$1 origs=$2 place=$3 name=$4 kind=$5
mkdir -p "$place/home" "$place/$name"
cp -a "$tree/." "$place/$name"
for file in "$origs"/*; do
    [ ! -f "$file" ] || cp "$file" "$place/"
done
if [ "$(id -u)" = 0 ]; then
    chown -hR nobody: "$place"
    set -- setpriv --reuid=nobody --regid=nogroup --clear-groups --no-new-privs --bounding-set=-all --inh-caps=-all
else
    # Ids that the user's namespace lacks are another error than the one fakeroot expects.
    set -- env FAKEROOTDONTTRYCHOWN=1
fi
cd "$place/$name"
exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME="$place/home" LC_ALL=C.UTF-8 \
    ${DEB_BUILD_OPTIONS:+"DEB_BUILD_OPTIONS=$DEB_BUILD_OPTIONS"} \
    ${DEB_BUILD_PROFILES:+"DEB_BUILD_PROFILES=$DEB_BUILD_PROFILES"} ${TZ:+"TZ=$TZ"} \
    "$@" dpkg-buildpackage -us -uc --build="$kind"
