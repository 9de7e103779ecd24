# runtime.sh RELATIONS: what packages depend on, from the archive and from the
# package files of the environment in /run/debs.
# shellcheck shell=sh
set -eu
export DEBIAN_FRONTEND=noninteractive
own=/etc/apt/sources.list.d/deb-build-app.list
[ ! -f /run/debs/Packages ] || echo 'deb [trusted=yes] file:/run/debs ./' >"$own"
apt-get -qq update
apt-get -q -y -o Dpkg::Use-Pty=0 --no-install-recommends satisfy -- "$1"
rm -f "$own"
