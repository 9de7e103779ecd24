# dependencies.sh OPTION...: what debian/control in /run/source asks for.
# shellcheck shell=sh
set -eu
export DEBIAN_FRONTEND=noninteractive
cd /run/source
apt-get -qq update
apt-get -qq -y -o Dpkg::Use-Pty=0 --no-install-recommends "$@" build-dep ./
