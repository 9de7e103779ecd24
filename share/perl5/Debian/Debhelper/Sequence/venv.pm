# The dh add-on "venv": when dh runs dh_venv and dh_venv_place, what it leaves
# out for them, and how the packages are compressed. Its manual is dh_venv(1).
#
# dh compiles this file in the package Debian::Debhelper::DH::AddonAPI, which has
# insert_before and add_command_options.
use strict;
use warnings;

use Debian::Debhelper::Dh_Lib qw(error);

# Where the root is a Python project that dh_venv installs, debhelper's own build
# systems have no business there: python_distutils ends with an error, makefile
# runs the first target of a developer's Makefile. What stands in debian/rules or
# DH_OPTIONS still decides: dh appends its own options, and the last one counts.
my $root_is_ours = sub {
    return 0 if ($ENV{DH_OPTIONS} // '') =~ m/(?:^|\s)(?:-S|--buildsystem)/;
    return 1 if grep { -f } qw(pyproject.toml setup.py setup.cfg);

    # A Makefile alone says nothing; beside an application's requirements it is
    # the developer's. A root that another build system claims is left alone.
    return 0 if grep { -e } qw(configure CMakeLists.txt meson.build build.ninja build.xml Build.PL Makefile.PL), glob('*.pro');
    return 0 if not grep { -f } qw(Makefile makefile GNUmakefile);
    return 1 if grep { -f } qw(requirements.txt uv.lock pylock.toml Pipfile manage.py);
    return 0;
};

# The word of the field Compression in debian/*.venv, or undef. A wrong word is
# dh_venv's to report; an executable file is not run for this.
my $compression = sub {
    my %where;
    for my $file (sort grep { -f && !-x } 'debian/venv', glob('debian/*.venv debian/*.venv.*')) {
        next if $file =~ m/(?:~|\.(?:orig|rej|bak|swp))$/;
        open(my $handle, '<', $file) or error("cannot read ${file}: $!");
        while (my $line = <$handle>) {
            next if $line !~ m/^Compression[ \t]*:[ \t]*(\S+)\s*$/i;
            $where{ lc($1) } //= "${file}:$.";
        }
        close($handle);
    }
    my ($first, $second) = sort { $where{$a} cmp $where{$b} } keys(%where);
    error("$where{$second}: Compression is ${second} here and ${first} in $where{$first}: "
        . 'the packages of a source are compressed alike')
        if defined($second);
    return $first;
};

my $compress = sub {
    my $chosen = grep { length($ENV{$_} // '') } qw(DPKG_DEB_COMPRESSOR_TYPE DPKG_DEB_COMPRESSOR_LEVEL);
    my $type = $compression->() // 'zstd';
    if (not $chosen and $type =~ m/^(?:zstd|xz|none)$/) {
        $ENV{DPKG_DEB_COMPRESSOR_TYPE} = $type;
        # dpkg-deb's own for xz; above it zstd takes much more time for little.
        $ENV{DPKG_DEB_COMPRESSOR_LEVEL} = 6 if $type ne 'none';
    }
    # Two threads write other bytes than one.
    $ENV{DPKG_DEB_THREADS_MAX} = 1 if not length($ENV{DPKG_DEB_THREADS_MAX} // '');
};

# An add-on that has removed the anchor (dh-virtualenv's does) would leave the
# venv out of the package without a word.
for my $step (['dh_auto_test', 'dh_venv'], ['dh_installdeb', 'dh_venv_place']) {
    my ($anchor, $command) = @{$step};
    insert_before($anchor, $command)
        or error("add-on venv: another add-on has removed ${anchor}, before which ${command} runs; load venv alone");
}

# Loaded from Build-Depends-Arch or -Indep, an add-on may only insert commands.
if (($Debian::Debhelper::DH::AddonAPI::DH_INTERNAL_ADDON_TYPE // '') eq 'both' and $root_is_ours->()) {
    add_command_options("dh_auto_${_}", '--buildsystem=none') for qw(configure build test install clean);
}

$compress->();

1;
