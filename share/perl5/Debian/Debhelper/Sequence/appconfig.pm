# The dh add-on "appconfig": where dh runs dh_appconfig. Its manual is dh_appconfig(1).
#
# dh compiles this file in the package Debian::Debhelper::DH::AddonAPI, which has
# insert_before.
use strict;
use warnings;

use Debian::Debhelper::Dh_Lib qw(error);

# Behind all that installs files, units and debconf questions, which dh_appconfig
# compares with its own; before the modes are set and the scripts put together.
insert_before('dh_lintian', 'dh_appconfig')
    or error('add-on appconfig: another add-on has removed dh_lintian, before which dh_appconfig runs; load appconfig alone');

1;
