use strict;
use warnings;
insert_before('dh_auto_test', 'dh_venv');
insert_before('dh_installdeb', 'dh_venv_place');
1;
