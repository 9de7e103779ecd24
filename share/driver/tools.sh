# tools.sh PACKAGE...: what every build needs, and the unprivileged user that builds.
# shellcheck shell=sh
set -eu
export DEBIAN_FRONTEND=noninteractive
apt-get -qq update
apt-get -q -y -o Dpkg::Use-Pty=0 --no-install-recommends install build-essential fakeroot "$@"
getent passwd builder >/dev/null || useradd --create-home --shell /bin/sh builder
mkdir -p /build
[ ! -f /run/debs/uv ] || install -m 755 /run/debs/uv /usr/local/bin/uv
