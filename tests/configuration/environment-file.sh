#!/bin/sh
# environment-file.sh FILE OUTPUT: what systemd makes of an EnvironmentFile, as
# env -0 prints it. A service manager runs a service that has the file, in
# namespaces of its own; nothing outlives the script.
set -eu

if [ "${3-}" != inside ]; then
    exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin \
        unshare --mount --propagation private --pid --fork --kill-child --mount-proc sh "$0" "$1" "$2" inside
fi
mount -t tmpfs tmpfs /run
# sd_booted(3): without it no user's manager starts.
mkdir -p /run/systemd/system /run/user/0/systemd/user
chmod 700 /run/user/0
cat >/run/user/0/systemd/user/probe.service <<UNIT
[Service]
Type=oneshot
EnvironmentFile=$1
ExecStart=/usr/bin/env -0
ExecStartPost=/usr/bin/touch /run/done
StandardOutput=file:$2
UNIT
XDG_RUNTIME_DIR=/run/user/0 HOME=/run /lib/systemd/systemd --user --unit=probe.service >/run/log 2>&1 &
tries=0
until [ -e /run/done ]; do
    sleep 0.05
    tries=$((tries + 1))
    if [ "$tries" -gt 400 ]; then
        cat /run/log >&2
        exit 1
    fi
done
