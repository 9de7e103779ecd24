# booted.sh: wait until a system that boots has come up.
# shellcheck shell=sh
set -eu
tries=0
until state=$(systemctl is-system-running --wait 2>/dev/null) || [ "$state" = degraded ]; do
    tries=$((tries + 1))
    [ "$tries" -lt 600 ] || { echo "the system is '$state' after 60 s" && exit 1; }
    sleep 0.1
done
echo "the system is $state"
