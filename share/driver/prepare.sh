# prepare.sh NAME: the source as the builder's own, below a path that is always the same.
# shellcheck shell=sh
set -eu
directory=/build/reproducible-path/$1
mkdir -p "$directory"
cp -a /run/source/. "$directory"
for file in /run/origs/*; do
    [ ! -f "$file" ] || cp "$file" /build/reproducible-path/
done
chown -hR builder: /build
