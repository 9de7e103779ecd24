# The dh add-on "supervisord": when dh runs dh_supervisord. Its manual is
# dh_supervisord(1).
#
# dh compiles this file in the package Debian::Debhelper::DH::AddonAPI, which has
# insert_after.
use strict;
use warnings;

use Debian::Debhelper::Dh_Lib qw(error);

# Behind dh_installsystemd, which would enable and start the units that it finds
# in the package, and whose snippets end before the services are converged.
insert_after('dh_installsystemd', 'dh_supervisord')
    or error('add-on supervisord: another add-on has removed dh_installsystemd, after which dh_supervisord runs');

1;
