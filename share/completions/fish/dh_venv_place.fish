complete -c dh_venv_place -s p -l package -d 'Act on this package; may be repeated' -r
complete -c dh_venv_place -s N -l no-package -d 'Do not act on this package; may be repeated' -r
complete -c dh_venv_place -l dbg-package -d 'Accepted for debhelper\'s sake' -r
complete -c dh_venv_place -s X -l exclude -d 'Accepted for debhelper\'s sake' -r
complete -c dh_venv_place -s P -l tmpdir -d 'Build directory of the (only) package' -r
complete -c dh_venv_place -l mainpackage -d 'Main package, instead of the first one' -r
complete -c dh_venv_place -l name -d 'Read debian/PACKAGE.NAME.FILE instead of debian/PACKAGE.FILE' -r
complete -c dh_venv_place -l error-handler -d 'Accepted for debhelper\'s sake' -r
complete -c dh_venv_place -s O -d 'Take an option if it is known, else ignore it' -r
complete -c dh_venv_place -s u -d 'Accepted for debhelper\'s sake' -r
complete -c dh_venv_place -s V -d 'Accepted for debhelper\'s sake' -r
complete -c dh_venv_place -s v -l verbose -d 'Show what is done'
complete -c dh_venv_place -l no-act -d 'Do nothing; with -v, show what would be done'
complete -c dh_venv_place -s a -l arch -d 'Act on architecture-dependent packages'
complete -c dh_venv_place -s i -l indep -d 'Act on architecture-independent packages'
complete -c dh_venv_place -l remaining-packages -d 'Do not act on packages that this helper has done'
complete -c dh_venv_place -s n -l no-scripts -d 'Leave the maintainer scripts alone'
complete -c dh_venv_place -s o -l only-scripts -d 'Do nothing but maintainer scripts'
complete -c dh_venv_place -s A -l all -d 'Accepted for debhelper\'s sake'
complete -c dh_venv_place -s d -d 'Accepted for debhelper\'s sake'
complete -c dh_venv_place -s h -l help -d 'Show this help'
complete -c dh_venv_place -l version -d 'Show the version'
