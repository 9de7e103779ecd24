# booted.sh PACKAGE...: the services of a system that has booted, then a purge.
# shellcheck shell=sh
set -eu
tries=0
until state=$(systemctl is-system-running 2>/dev/null) || [ "$state" = degraded ]; do
    tries=$((tries + 1))
    [ "$tries" -lt 600 ] || { echo "the system is '$state' after 60 s" && exit 1; }
    sleep 0.1
done
echo "the system is $state"
failed=
for package; do
    for path in $(dpkg -L "$package" | grep -E '/systemd/system/[^/@]+\.(service|socket|timer)$'); do
        unit=${path##*/}
        [ "$(systemctl is-enabled "$unit" 2>/dev/null)" = enabled ] || continue
        state=$(systemctl is-active "$unit") || true
        kind=$(systemctl show --property=Type --value "$unit")
        echo "$unit is $state"
        case $state/$kind in
        active/* | inactive/oneshot) ;;
        *)
            failed=yes
            systemctl status --no-pager --lines=20 "$unit" || true
            ;;
        esac
    done
done
systemctl --failed --no-legend --plain | while read -r unit rest; do
    echo "failed: $unit $rest"
done
[ -z "$failed" ]
DEBIAN_FRONTEND=noninteractive dpkg --purge "$@"
for package; do
    if dpkg-query -W "$package" >/dev/null 2>&1; then
        echo "$package is still there"
        exit 1
    fi
done
