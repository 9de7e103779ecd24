# collect.sh: regular files that the build has left beside the source.
# Nobody but root runs any more.
# shellcheck shell=sh
set -eu
for file in /build/reproducible-path/*; do
    [ ! -f "$file" ] || [ -L "$file" ] || cp "$file" /run/result/
done
