# bootstrap.sh SUITE ARCH DIRECTORY SOURCES APTCONF FROM CA: a minimal system in
# DIRECTORY, from Debian's archive or (FROM) from a directory or an archive that
# another tool has made. Runs in a mount namespace of its own.
# shellcheck shell=sh
# shellcheck disable=SC2016 # dpkg-query's variables
set -eu
suite=$1 arch=$2 directory=$3 sources=$4 aptconf=$5 from=$6 ca=$7
umask 022
# That of the process namespace that this runs in.
mount -t proc proc /proc
cd "$directory"
mkdir lower upper work root
# Root of a user namespace may neither keep the overlay's marks in attributes that
# are trusted nor mount the sysfs of a network that is not its own.
marks="" mounts=""
if [ "$(tr -s ' ' </proc/self/uid_map)" != ' 0 0 4294967295' ]; then
    marks=,userxattr mounts=--skip=chroot/mount/sys
fi
# Packages are unpacked on an overlay that never syncs: dpkg's many fsync calls
# are most of the time otherwise.
mount -t overlay image -o "lowerdir=lower,upperdir=upper,workdir=work,volatile$marks" root 2>/dev/null ||
    mount --bind upper root
if [ -z "$from" ]; then
    # Whether programs of the architecture run here was asked before, without arch-test.
    # shellcheck disable=SC2086 # one word or none
    mmdebstrap $mounts --mode=root --format=directory --variant=minbase --architectures="$arch" \
        --aptopt="$aptconf" --dpkgopt=force-unsafe-io --include=ca-certificates \
        --skip=cleanup/apt/lists --skip=check/empty --skip=check/qemu "$suite" root "$sources"
    rm -f root/etc/apt/apt.conf.d/99mmdebstrap root/etc/dpkg/dpkg.cfg.d/99mmdebstrap
elif [ -d "$from" ]; then
    cp -a --reflink=auto -- "$from/." root/
else
    tar -C root --numeric-owner --exclude='./dev/*' -xf "$from"
    [ ! -s "$sources" ] || cp "$sources" root/etc/apt/sources.list
fi
[ -x root/usr/bin/dpkg ] || {
    echo "there is no Debian system in $from" >&2
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
rm -rf lower work root
