# install-tool.sh PACKAGE...: a layer with a program that checks.
# shellcheck shell=sh
set -eu
export DEBIAN_FRONTEND=noninteractive
apt-get -qq update
apt-get -q -y -o Dpkg::Use-Pty=0 --no-install-recommends install "$@"
