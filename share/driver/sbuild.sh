# sbuild.sh DSC KIND SUITE ARCH NETWORK IDS: sbuild in its mode unshare, in /mnt. Runs as
# root of namespaces with ids of their own, of which the build gets all but the first.
# shellcheck shell=sh
set -eu
dsc=$1 kind=$2 suite=$3 arch=$4 ids=$6
command -v sbuild >/dev/null || { echo 'sbuild is not installed: apt-get install sbuild uidmap' && exit 1; }
# sbuild takes its user ids from these files.
for file in subuid subgid; do
    [ -e "/etc/$file" ] || { echo "there is no /etc/$file: touch /etc/$file" && exit 1; }
    echo "root:1:$ids" >"/mnt/$file"
    mount --bind "/mnt/$file" "/etc/$file"
done
# A configuration of the machine's must not decide what comes out.
cat >/mnt/sbuildrc <<'CONFIGURATION'
$build_user = 'builder';
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
export HOME=/mnt/home SBUILD_CONFIG=/mnt/sbuildrc USER=root LOGNAME=root
exec sbuild --chroot-mode=unshare --chroot=/mnt/base.tar --dist="$suite" --arch="$arch" --build-path=/build/reproducible-path \
    --no-apt-update --no-apt-upgrade --no-apt-distupgrade --no-clean-source --nolog --verbose \
    --no-run-lintian --no-run-piuparts --no-run-autopkgtest "$@" "$dsc"
