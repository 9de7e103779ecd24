# install.sh FILE...: packages with what they depend on, as an administrator would.
# shellcheck shell=sh
set -eu
export DEBIAN_FRONTEND=noninteractive
apt-get -qq update
apt-get -qq -y -o Dpkg::Use-Pty=0 --no-install-recommends install "$@"
dpkg --audit
