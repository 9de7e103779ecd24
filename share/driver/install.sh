# install.sh FILE...: packages into a system that runs, as an administrator would.
# What they depend on is there; services start.
# shellcheck shell=sh
set -eu
export DEBIAN_FRONTEND=noninteractive
rm -f /usr/sbin/policy-rc.d
tries=0
until state=$(systemctl is-system-running --wait 2>/dev/null) || [ "$state" = degraded ]; do
    tries=$((tries + 1))
    [ "$tries" -lt 600 ] || { echo "the system is '$state' after 60 s" && exit 1; }
    sleep 0.1
done
echo "the system is $state"
apt-get -qq -y -o Dpkg::Use-Pty=0 --no-install-recommends install "$@"
dpkg --audit
