# pbuilder.sh TREE DSC RESULT NAME KIND ROOM ARCHIVE SUITE ARCH NETWORK: pbuilder,
# in memory. Runs in mount and process namespaces of its own.
# shellcheck shell=sh
set -eu
dsc=$2 result=$3 kind=$5 room=$6 archive=$7 suite=$8 arch=$9
shift 9
command -v pbuilder >/dev/null || { echo 'pbuilder is not installed: apt-get install pbuilder' && exit 1; }
mount -t proc proc /proc
mount -t tmpfs -o "mode=755,size=$room" build /mnt
mkdir -p /mnt/home /mnt/place /mnt/hooks /mnt/out
# A configuration of the machine's must not decide what comes out.
{
    echo "BASETGZ=$archive"
    echo BUILDPLACE=/mnt/place/
    echo BUILDRESULT=/mnt/out/
    echo HOOKDIR=/mnt/hooks
    echo 'APTCACHE=""'
    echo AUTOCLEANAPTCACHE=no
    echo COMPRESSPROG=cat
    echo 'PBUILDERSATISFYDEPENDSCMD=/usr/lib/pbuilder/pbuilder-satisfydepends-apt'
    echo 'EATMYDATA=no'
    echo 'CCACHEDIR=""'
    echo "USENETWORK=${1}"
} >/mnt/pbuilderrc
cd /mnt/home
export HOME=/mnt/home
pbuilder build --configfile /mnt/pbuilderrc --distribution "$suite" --architecture "$arch" \
    --debbuildopts "--build=$kind" "$dsc"
for file in /mnt/out/*; do
    [ ! -f "$file" ] || [ -L "$file" ] || cp "$file" "$result/"
done
