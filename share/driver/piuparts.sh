# piuparts.sh SUITE FILE...: in a copy of the minimal system.
# shellcheck shell=sh
set -eu
suite=$1
shift
set -- --no-eatmydata --no-upgrade-test --keep-sources-list --existing-chroot=/run/minimal --distribution="$suite" "$@"
if [ -f /run/debs/Packages ]; then
    set -- --bindmount=/run/debs --extra-repo='deb [trusted=yes] file:/run/debs ./' "$@"
fi
exec piuparts "$@"
