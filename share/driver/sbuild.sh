# sbuild.sh TREE DSC RESULT NAME KIND ROOM ARCHIVE SUITE ARCH NETWORK: sbuild in
# its mode unshare, in memory. Runs in mount and process namespaces of its own.
# shellcheck shell=sh
set -eu
dsc=$2 result=$3 kind=$5 room=$6 archive=$7 suite=$8 arch=$9
shift 9
command -v sbuild >/dev/null || { echo 'sbuild is not installed: apt-get install sbuild uidmap' && exit 1; }
mount -t proc proc /proc
mount -t tmpfs -o "mode=755,size=$room" build /mnt
mkdir -p /mnt/home /mnt/out /mnt/in
mkdir -m 1777 /mnt/tmp
# Another user than root, of its user namespace, reads these.
for file in "${dsc%/*}"/*; do
    [ ! -f "$file" ] || cp "$file" /mnt/in/
done
: >/mnt/base.tar
mount --bind "$archive" /mnt/base.tar
# sbuild takes its user ids from these files, and root is usually in none.
for file in subuid subgid; do
    grep -q '^root:' "/etc/$file" 2>/dev/null && continue
    { cat "/etc/$file" 2>/dev/null || true; echo root:1000000:65536; } >"/mnt/$file"
    chmod 644 "/mnt/$file"
    [ -e "/etc/$file" ] || : >"/etc/$file"
    mount --bind "/mnt/$file" "/etc/$file"
done
# A configuration of the machine's must not decide what comes out.
cat >/mnt/sbuildrc <<'CONFIGURATION'
$build_environment = { map { $_ => $ENV{$_} } grep { defined $ENV{$_} } qw(DEB_BUILD_OPTIONS DEB_BUILD_PROFILES TZ) };
$environment_filter = [qw(^PATH$ ^DEB_BUILD_OPTIONS$ ^DEB_BUILD_PROFILES$ ^TZ$)];
1;
CONFIGURATION
case $kind in
full) set -- --source --arch-any --arch-all ;;
binary) set -- --arch-any --arch-all ;;
any) set -- --arch-any --no-arch-all ;;
all) set -- --no-arch-any --arch-all ;;
esac
cd /mnt/out
export HOME=/mnt/home TMPDIR=/mnt/tmp SBUILD_CONFIG=/mnt/sbuildrc USER=root LOGNAME=root
sbuild --chroot-mode=unshare --chroot=/mnt/base.tar --dist="$suite" --arch="$arch" --build-path=/build/reproducible-path \
    --no-apt-update --no-apt-upgrade --no-apt-distupgrade --no-clean-source --nolog --verbose \
    --no-run-lintian --no-run-piuparts --no-run-autopkgtest "$@" "/mnt/in/${dsc##*/}"
for file in /mnt/out/*; do
    [ ! -f "$file" ] || [ -L "$file" ] || case $file in *.build) ;; *) cp "$file" "$result/" ;; esac
done
