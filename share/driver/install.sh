# install.sh FILE...: packages into a system that runs, as an administrator would.
# What they depend on is there; services start.
# shellcheck shell=sh
set -eu
export DEBIAN_FRONTEND=noninteractive
rm -f /usr/sbin/policy-rc.d
apt-get -qq -y -o Dpkg::Use-Pty=0 --no-install-recommends install "$@"
dpkg --audit
