# piuparts.sh SUITE FILE...: in a copy of the minimal system.
# shellcheck shell=sh
set -eu
suite=$1
shift
# Root of a user namespace makes no device nodes: the session's own are shown in the
# copy, for as long as piuparts has its devpts mounted there.
for name in mount umount; do
    cat >/usr/local/sbin/$name <<'SCRIPT'
#!/bin/sh
set -eu
for place; do :; done
command=${0##*/}
[ "$command" = umount ] || "/bin/$command" "$@"
case $place in
*/dev/pts)
    [ "$command" = umount ] || ln -sfn pts/ptmx "${place%/pts}/ptmx"
    for device in null zero full random urandom; do
        file=${place%/pts}/$device
        case $command in
        mount)
            rm -f "$file"
            : >"$file"
            /bin/mount --bind "/dev/$device" "$file"
            ;;
        *) ! /bin/umount "$file" || rm -f "$file" ;;
        esac
    done
    ;;
esac
[ "$command" = mount ] || exec "/bin/$command" "$@"
SCRIPT
    chmod 755 /usr/local/sbin/$name
done
set -- --no-eatmydata --no-upgrade-test --keep-sources-list --existing-chroot=/run/minimal --distribution="$suite" "$@"
if [ -f /run/debs/Packages ]; then
    set -- --bindmount=/run/debs --extra-repo='deb [trusted=yes] file:/run/debs ./' "$@"
fi
exec piuparts "$@"
