# collect.sh KEY...: regular files that the build has left beside the source, and
# the virtual environments and byte code that dh_venv has kept, but for those of
# these keys.
# Nobody but root runs any more.
# shellcheck shell=sh
set -eu
for file in /build/reproducible-path/*; do
    [ ! -f "$file" ] || [ -L "$file" ] || cp "$file" /run/result/
done
cd /
kept=home/builder/.cache/dh-venv
[ -d /run/kept ] && [ -d "$kept/trees" ] && [ ! -L "$kept/trees" ] && [ ! -L "$kept/texts" ] || exit 0
for file in "$kept"/trees/*.sums "$kept"/trees/*.code; do
    if [ ! -f "$file" ] || [ -L "$file" ]; then continue; fi
    key=${file##*/}
    case " $* " in *" ${key%.*} "*) continue ;; esac
    case $file in
        *.code) cp -a --parents "$file" /run/kept/ ;;
        *) [ ! -d "${file%.sums}.d" ] || cp -a --parents "$file" "${file%.sums}.d" /run/kept/ ;;
    esac
done
[ ! -d "$kept/texts" ] || cp -a --parents "$kept/texts" /run/kept/
