# bootstrap.sh SUITE ARCH CA: a minimal system in /mnt/system, from Debian's archive
# or (/mnt/from) from an archive that another tool has made. Runs as root of namespaces
# with ids of their own.
# shellcheck shell=sh
# shellcheck disable=SC2016 # dpkg-query's variables
set -eu
suite=$1 arch=$2 ca=$3
sources=sources.list aptconf=apt.conf from=from
umask 022
cd /mnt
mkdir lower upper work root
# Packages are unpacked on an overlay that never syncs: dpkg's many fsync calls
# are most of the time otherwise. Root of a user namespace may not keep its marks in
# attributes that are trusted.
mount -t overlay image -o "lowerdir=lower,upperdir=upper,workdir=work,volatile,userxattr" root 2>/dev/null ||
    mount --bind upper root
if [ ! -f "$from" ]; then
    # Whether programs of the architecture run here was asked before, without arch-test.
    # The sysfs of a network that is not its own is not for root of a user namespace.
    mmdebstrap --skip=chroot/mount/sys --mode=root --format=directory --variant=minbase --architectures="$arch" \
        --aptopt="$aptconf" --dpkgopt=force-unsafe-io --include=ca-certificates \
        --skip=cleanup/apt/lists --skip=check/empty --skip=check/qemu "$suite" root "$sources"
    rm -f root/etc/apt/apt.conf.d/99mmdebstrap root/etc/dpkg/dpkg.cfg.d/99mmdebstrap
else
    tar -C root --numeric-owner --xattrs --xattrs-include=security.capability --exclude='./dev/*' -xf "$from"
    [ ! -s "$sources" ] || cp "$sources" root/etc/apt/sources.list
fi
[ -x root/usr/bin/dpkg ] || {
    echo "there is no Debian system in it" >&2
    exit 1
}
mkdir -p root/etc/apt/apt.conf.d root/etc/dpkg/dpkg.cfg.d root/usr/sbin root/etc/ssl/certs
{
    cat "$aptconf"
    # Not for mmdebstrap: it needs what it has downloaded.
    echo 'APT::Keep-Downloaded-Packages "false";'
    echo 'Binary::apt-get::APT::Keep-Downloaded-Packages "false";'
} >root/etc/apt/apt.conf.d/90deb-build-app
echo force-unsafe-io >root/etc/dpkg/dpkg.cfg.d/90deb-build-app
printf '#!/bin/sh\n# No service is started in a build environment.\nexit 101\n' >root/usr/sbin/policy-rc.d
chmod 755 root/usr/sbin/policy-rc.d
# An organisation may add a certificate authority of its own.
[ ! -f "$ca" ] || cp "$ca" root/etc/ssl/certs/ca-certificates.crt
: >root/etc/resolv.conf
chroot root dpkg-query -W -f '${Package} ${Version} ${Architecture}\n' >packages
umount root
chmod 755 upper
mv upper system
rm -rf lower work root tmp
