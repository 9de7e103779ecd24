# The dh add-on "zeoclient": when dh runs dh_zeoclient. Its manual is
# dh_zeoclient(1).
#
# dh compiles this file in the package Debian::Debhelper::DH::AddonAPI, which has
# insert_before.
use strict;
use warnings;

use Debian::Debhelper::Dh_Lib qw(error);

# Before dh_supervisord, which stands behind dh_installsystemd, and dh_appconfig,
# which stands later still: both read what dh_zeoclient leaves for them, whichever
# of the add-ons is loaded first.
insert_before('dh_installsystemd', 'dh_zeoclient')
    or error('add-on zeoclient: another add-on has removed dh_installsystemd, before which dh_zeoclient runs');

1;
