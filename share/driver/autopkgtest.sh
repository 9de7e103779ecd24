# autopkgtest.sh FILE...: the tests of the source in /run/source, with these packages.
# shellcheck shell=sh
set -eu
export DEBIAN_FRONTEND=noninteractive
[ ! -f /run/debs/Packages ] ||
    echo 'deb [trusted=yes] file:/run/debs ./' >/etc/apt/sources.list.d/deb-build-app.list
apt-get -qq update
cp -a /run/source /tmp/source
cd /run/result
exec autopkgtest --no-built-binaries --user=builder --timeout-test=1800 "$@" /tmp/source/ -- null
