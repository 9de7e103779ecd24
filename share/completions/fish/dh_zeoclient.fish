complete -c dh_zeoclient -s p -l package -d 'Act on this package; may be repeated' -r
complete -c dh_zeoclient -s N -l no-package -d 'Do not act on this package; may be repeated' -r
complete -c dh_zeoclient -l dbg-package -d 'Accepted for debhelper\'s sake' -r
complete -c dh_zeoclient -s X -l exclude -d 'Accepted for debhelper\'s sake' -r
complete -c dh_zeoclient -s P -l tmpdir -d 'Build directory of the (only) package' -r
complete -c dh_zeoclient -l mainpackage -d 'Main package, instead of the first one' -r
complete -c dh_zeoclient -l name -d 'Read debian/PACKAGE.NAME.FILE instead of debian/PACKAGE.FILE' -r
complete -c dh_zeoclient -l error-handler -d 'Accepted for debhelper\'s sake' -r
complete -c dh_zeoclient -s O -d 'Take an option if it is known, else ignore it' -r
complete -c dh_zeoclient -s u -d 'Accepted for debhelper\'s sake' -r
complete -c dh_zeoclient -s V -d 'Accepted for debhelper\'s sake' -r
complete -c dh_zeoclient -s v -l verbose -d 'Show what is done'
complete -c dh_zeoclient -l no-act -d 'Do nothing; with -v, show what would be done'
complete -c dh_zeoclient -s a -l arch -d 'Act on architecture-dependent packages'
complete -c dh_zeoclient -s i -l indep -d 'Act on architecture-independent packages'
complete -c dh_zeoclient -l remaining-packages -d 'Do not act on packages that this helper has done'
complete -c dh_zeoclient -s n -l no-scripts -d 'Leave the maintainer scripts alone'
complete -c dh_zeoclient -s o -l only-scripts -d 'Do nothing but maintainer scripts'
complete -c dh_zeoclient -s A -l all -d 'Accepted for debhelper\'s sake'
complete -c dh_zeoclient -s d -d 'Accepted for debhelper\'s sake'
complete -c dh_zeoclient -s h -l help -d 'Show this help'
complete -c dh_zeoclient -l version -d 'Show the version'
