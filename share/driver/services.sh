# services.sh PACKAGE...: wait until the services of the packages run and answer.
#
# Enabled units must become active and stay so. Programs of dh_supervisord are
# asked by appctl, as they say in `health`. Any unit may name an address that has
# to answer with a status below 400: X-Health=http://HOST:PORT/PATH in [Service].
# shellcheck shell=sh
set -eu
failed=

# Whether a unit, of a type and in a state, is as it should be.
good() {
    case $1/$2 in active/* | inactive/oneshot) ;; *) return 1 ;; esac
}

# The status line of an HTTP server's answer.
ask() {
    bash -c '
        address=${1#http://}
        place=${address%%/*}
        host=${place%:*} port=${place##*:}
        [ "$port" != "$place" ] || port=80
        exec 3<>"/dev/tcp/$host/$port" || exit 1
        path=${address#"$place"}
        printf "GET %s HTTP/1.0\r\nHost: %s\r\n\r\n" "${path:-/}" "$place" >&3
        read -r -t 5 line <&3
        echo "$line"
    ' ask "$1" 2>/dev/null
}

units=
for package; do
    for path in $(dpkg -L "$package" | grep -E '/systemd/system/[^/@]+\.(service|socket|timer)$'); do
        unit=${path##*/}
        [ "$(systemctl is-enabled "$unit" 2>/dev/null)" = enabled ] || continue
        units="$units $unit"
    done
done
for unit in $units; do
    kind=$(systemctl show --property=Type --value "$unit")
    tries=0
    while :; do
        state=$(systemctl is-active "$unit") || true
        ! good "$state" "$kind" || break
        [ "$state" != failed ] || break
        tries=$((tries + 1))
        [ "$tries" -lt 300 ] || break
        sleep 0.1
    done
    eval "restarts_$(echo "$unit" | tr -c 'a-zA-Z0-9\n' _)=$(systemctl show --property=NRestarts --value "$unit")"
done
# A program that dies at once is started again and again.
[ -z "$units" ] || sleep 1
for unit in $units; do
    kind=$(systemctl show --property=Type --value "$unit")
    state=$(systemctl is-active "$unit") || true
    before=
    eval "before=\$restarts_$(echo "$unit" | tr -c 'a-zA-Z0-9\n' _)"
    [ "$(systemctl show --property=NRestarts --value "$unit")" = "$before" ] || state='started again and again'
    echo "$unit is $state"
    good "$state" "$kind" || {
        failed=yes
        systemctl status --no-pager --lines=20 "$unit" || true
        continue
    }
    address=$(systemctl cat "$unit" 2>/dev/null | sed -n 's/^X-Health=//p' | tail -n 1)
    [ -n "$address" ] || continue
    tries=0
    until answer=$(ask "$address"); do
        tries=$((tries + 1))
        [ "$tries" -lt 300 ] || break
        sleep 0.1
    done
    case $answer in
    'HTTP/'*' '[123]*) echo "$unit: $address answers" ;;
    *)
        failed=yes
        echo "$unit: $address does not answer: ${answer:-no connection}"
        systemctl status --no-pager --lines=20 "$unit" || true
        ;;
    esac
done
for package; do
    programs=/usr/share/appctl/$package/programs.json
    if [ ! -f "$programs" ] || ! command -v appctl >/dev/null; then continue; fi
    # Waits for the health of what runs already, too.
    if appctl service start "$package"; then
        ! grep -q '"health": *{' "$programs" || echo "$package: what its programs say is healthy answers"
    else
        failed=yes
        appctl service status "$package" || true
    fi
done
systemctl --failed --no-legend --plain | while read -r unit rest; do
    echo "failed: $unit $rest"
done
[ -z "$failed" ]
