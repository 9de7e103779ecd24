# kept.sh KEY...: the virtual environments, byte code and answers that dh_venv has
# made in a session in which it alone has run, but for those of these keys.
# shellcheck shell=sh
set -eu
cd /
kept=home/builder/.cache/dh-venv
[ -d "$kept/trees" ] || exit 0
for file in "$kept"/trees/*.sums "$kept"/trees/*.code; do
    [ -f "$file" ] || continue
    key=${file##*/}
    case " $* " in *" ${key%.*} "*) continue ;; esac
    case $file in
    *.code) cp -a --parents "$file" /run/kept/ ;;
    *) [ ! -d "${file%.sums}.d" ] || cp -a --parents "$file" "${file%.sums}.d" /run/kept/ ;;
    esac
done
for directory in "$kept/texts" "$kept/untried"; do
    [ ! -d "$directory" ] || cp -a --parents "$directory" /run/kept/
done
