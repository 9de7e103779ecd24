complete -c dh_venv -l project -d 'Directories to install, relative to the source directory; "none" for requirements only' -r
complete -c dh_venv -l requirements -d 'Requirement files; hashes in them are honoured' -r
complete -c dh_venv -l lock -d 'Lock file: uv.lock or pylock.toml' -r
complete -c dh_venv -l extras -d 'Extras of the project to install' -r
complete -c dh_venv -l groups -d 'Dependency groups of the project to install' -r
complete -c dh_venv -l preinstall -d 'A requirement to install before all others' -r
complete -c dh_venv -l python -d 'Interpreter: python3, python3.N or an absolute path' -r
complete -c dh_venv -l installer -d 'Installer: auto, uv or pip' -r
complete -c dh_venv -l wheelhouse -d 'Directory of wheels and source archives; implies --offline=yes' -r
complete -c dh_venv -l index -d 'Package index; the first one given is the primary index' -r
complete -c dh_venv -l prefix -d 'Where the venv is installed' -r
complete -c dh_venv -l commands -d 'A link in /usr/bin to a script of the venv' -r
complete -c dh_venv -l system-site-packages -d 'Whether the venv sees Debian\'s own Python packages: yes or no' -r
complete -c dh_venv -l keep -d 'What is not removed or left out: pip, setuptools, tests' -r
complete -c dh_venv -l bytecode -d 'Byte code: unchecked-hash, checked-hash or none' -r
complete -c dh_venv -l after-install -d 'A command to run in the finished venv, whose results are shipped' -r
complete -c dh_venv -l offline -d 'Forbid the network: yes or no' -r
complete -c dh_venv -l compression -d 'Compression of the .deb: zstd, xz or none (read by the add-on from the file only)' -r
complete -c dh_venv -l layout -d 'Layout of the venv: fixed' -r
complete -c dh_venv -l test -d 'A command run as a test in the finished venv' -r
complete -c dh_venv -l from-dh-virtualenv -d 'Print the .venv file that a dh-virtualenv debian/rules amounts to, and end' -r
complete -c dh_venv -l fill -d 'Only fill the cache with what follows from hashes alone; intermediate files go below DIR (for the driver)' -r
complete -c dh_venv -s p -l package -d 'Act on this package; may be repeated' -r
complete -c dh_venv -s N -l no-package -d 'Do not act on this package; may be repeated' -r
complete -c dh_venv -l dbg-package -d 'Accepted for debhelper\'s sake' -r
complete -c dh_venv -s X -l exclude -d 'Accepted for debhelper\'s sake' -r
complete -c dh_venv -s P -l tmpdir -d 'Build directory of the (only) package' -r
complete -c dh_venv -l mainpackage -d 'Main package, instead of the first one' -r
complete -c dh_venv -l name -d 'Read debian/PACKAGE.NAME.FILE instead of debian/PACKAGE.FILE' -r
complete -c dh_venv -l error-handler -d 'Accepted for debhelper\'s sake' -r
complete -c dh_venv -s O -d 'Take an option if it is known, else ignore it' -r
complete -c dh_venv -s u -d 'Accepted for debhelper\'s sake' -r
complete -c dh_venv -s V -d 'Accepted for debhelper\'s sake' -r
complete -c dh_venv -l tried -d 'With --fill: only try what has been filled'
complete -c dh_venv -s v -l verbose -d 'Show what is done'
complete -c dh_venv -l no-act -d 'Do nothing; with -v, show what would be done'
complete -c dh_venv -s a -l arch -d 'Act on architecture-dependent packages'
complete -c dh_venv -s i -l indep -d 'Act on architecture-independent packages'
complete -c dh_venv -l remaining-packages -d 'Do not act on packages that this helper has done'
complete -c dh_venv -s n -l no-scripts -d 'Leave the maintainer scripts alone'
complete -c dh_venv -s o -l only-scripts -d 'Do nothing but maintainer scripts'
complete -c dh_venv -s A -l all -d 'Accepted for debhelper\'s sake'
complete -c dh_venv -s d -d 'Accepted for debhelper\'s sake'
complete -c dh_venv -s h -l help -d 'Show this help'
complete -c dh_venv -l version -d 'Show the version'
