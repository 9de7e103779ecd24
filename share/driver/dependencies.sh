# dependencies.sh OPTION...: what debian/control in /run/source asks for.
# apt says what is missing, and why, unless it is told twice to be quiet.
# shellcheck shell=sh
set -eu
export DEBIAN_FRONTEND=noninteractive
cd /run/source
apt-get -qq update
apt-get -q -y -o Dpkg::Use-Pty=0 --no-install-recommends "$@" build-dep ./
