# pbuilder.sh DSC KIND SUITE ARCH NETWORK: pbuilder, in /mnt. Runs as root of
# namespaces with ids of their own.
# shellcheck shell=sh
set -eu
dsc=$1 kind=$2 suite=$3 arch=$4 network=$5
command -v pbuilder >/dev/null || { echo 'pbuilder is not installed: apt-get install pbuilder' && exit 1; }
# Root of a user namespace makes no device nodes: the machine's are shown, before
# the build dependencies are looked at.
cat >/mnt/satisfy-apt <<'SCRIPT'
#!/bin/sh
set -eu
root=
previous=
for word; do
    [ "$previous" != --chroot ] || root=$word
    previous=$word
done
for name in null zero full random urandom tty; do
    rm -f "$root/dev/$name"
    : >"$root/dev/$name"
    mount --bind "/dev/$name" "$root/dev/$name"
done
exec /usr/lib/pbuilder/pbuilder-satisfydepends-apt "$@"
SCRIPT
chmod 755 /mnt/satisfy-apt
# A configuration of the machine's must not decide what comes out.
{
    echo BASETGZ=/mnt/base.tar
    echo BUILDPLACE=/mnt/place/
    echo BUILDRESULT=/mnt/out/
    echo HOOKDIR=/mnt/hooks
    echo 'APTCACHE=""'
    echo AUTOCLEANAPTCACHE=no
    echo COMPRESSPROG=cat
    echo PBUILDERSATISFYDEPENDSCMD=/mnt/satisfy-apt
    echo 'EATMYDATA=no'
    echo 'CCACHEDIR=""'
    echo USESYSFS=no
    echo USECOLORS=no
    echo "USENETWORK=$network"
} >/mnt/pbuilderrc
cd /mnt/home
export HOME=/mnt/home
exec pbuilder build --configfile /mnt/pbuilderrc --distribution "$suite" --architecture "$arch" \
    --debbuildopts "--build=$kind" "$dsc"
