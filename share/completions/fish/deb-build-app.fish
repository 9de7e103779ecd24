# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_deb_build_app_global_optspecs
    string join \n q/quiet v/verbose json h/help V/version
end

function __fish_deb_build_app_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_deb_build_app_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_deb_build_app_using_subcommand
    set -l cmd (__fish_deb_build_app_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c deb-build-app -n "__fish_deb_build_app_needs_command" -s q -l quiet -d 'Print only errors and results'
complete -c deb-build-app -n "__fish_deb_build_app_needs_command" -s v -l verbose -d 'Show logs as they grow'
complete -c deb-build-app -n "__fish_deb_build_app_needs_command" -l json -d 'Print results as JSON'
complete -c deb-build-app -n "__fish_deb_build_app_needs_command" -s h -l help -d 'Print help'
complete -c deb-build-app -n "__fish_deb_build_app_needs_command" -s V -l version -d 'Print version'
complete -c deb-build-app -n "__fish_deb_build_app_needs_command" -f -a "new" -d 'Write a debian/ for the Python project in the working directory'
complete -c deb-build-app -n "__fish_deb_build_app_needs_command" -f -a "fetch" -d 'Make the orig tarball of a git ref or of a release archive'
complete -c deb-build-app -n "__fish_deb_build_app_needs_command" -f -a "lock" -d 'Pin every Python distribution of the source package, with hashes, for all suites'
complete -c deb-build-app -n "__fish_deb_build_app_needs_command" -f -a "vendor" -d 'Collect the wheels and source archives that a build without a network needs'
complete -c deb-build-app -n "__fish_deb_build_app_needs_command" -f -a "build" -d 'Build packages in a clean session without a network'
complete -c deb-build-app -n "__fish_deb_build_app_needs_command" -f -a "check" -d 'Look at what was built, build it again, install and boot it'
complete -c deb-build-app -n "__fish_deb_build_app_needs_command" -f -a "env" -d 'Build environments'
complete -c deb-build-app -n "__fish_deb_build_app_using_subcommand new" -l name -d 'Name of the package (default: the project\'s)' -r
complete -c deb-build-app -n "__fish_deb_build_app_using_subcommand new" -l dry-run -d 'Write nothing, show what would be written'
complete -c deb-build-app -n "__fish_deb_build_app_using_subcommand new" -s q -l quiet -d 'Print only errors and results'
complete -c deb-build-app -n "__fish_deb_build_app_using_subcommand new" -s v -l verbose -d 'Show logs as they grow'
complete -c deb-build-app -n "__fish_deb_build_app_using_subcommand new" -l json -d 'Print results as JSON'
complete -c deb-build-app -n "__fish_deb_build_app_using_subcommand new" -s h -l help -d 'Print help'
complete -c deb-build-app -n "__fish_deb_build_app_using_subcommand fetch" -l tag -d 'Take this tag' -r
complete -c deb-build-app -n "__fish_deb_build_app_using_subcommand fetch" -l branch -d 'Take this branch, local or of origin' -r
complete -c deb-build-app -n "__fish_deb_build_app_using_subcommand fetch" -l commit -d 'Take this commit' -r
complete -c deb-build-app -n "__fish_deb_build_app_using_subcommand fetch" -l archive -d 'Take a release archive instead: a file or a URL' -r
complete -c deb-build-app -n "__fish_deb_build_app_using_subcommand fetch" -l sha256 -d 'Fail unless the archive has this checksum' -r
complete -c deb-build-app -n "__fish_deb_build_app_using_subcommand fetch" -l signature -d 'A detached OpenPGP signature of the archive: a file or a URL' -r
complete -c deb-build-app -n "__fish_deb_build_app_using_subcommand fetch" -l keyring -d 'Keys that may have signed the archive' -r -F
complete -c deb-build-app -n "__fish_deb_build_app_using_subcommand fetch" -l name -d 'Name of the source package (default: debian/changelog\'s, else the project\'s)' -r
complete -c deb-build-app -n "__fish_deb_build_app_using_subcommand fetch" -l upstream-version -d 'Upstream version (default: the tag\'s, else debian/changelog\'s)' -r
complete -c deb-build-app -n "__fish_deb_build_app_using_subcommand fetch" -l compression -d 'How the tarball of a git ref is compressed' -r -f -a "gz\t'gzip'
xz\t'xz'"
complete -c deb-build-app -n "__fish_deb_build_app_using_subcommand fetch" -s o -l output -d 'Directory for the tarball' -r -F
complete -c deb-build-app -n "__fish_deb_build_app_using_subcommand fetch" -l allow-dirty -d 'Go on although the work tree has changes: only what is committed is taken'
complete -c deb-build-app -n "__fish_deb_build_app_using_subcommand fetch" -l verify -d 'Fail unless the tag or the archive has a good signature'
complete -c deb-build-app -n "__fish_deb_build_app_using_subcommand fetch" -s q -l quiet -d 'Print only errors and results'
complete -c deb-build-app -n "__fish_deb_build_app_using_subcommand fetch" -s v -l verbose -d 'Show logs as they grow'
complete -c deb-build-app -n "__fish_deb_build_app_using_subcommand fetch" -l json -d 'Print results as JSON'
complete -c deb-build-app -n "__fish_deb_build_app_using_subcommand fetch" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c deb-build-app -n "__fish_deb_build_app_using_subcommand lock" -s s -l suite -d 'Suite to build for; may be repeated (default: bookworm and trixie)' -r
complete -c deb-build-app -n "__fish_deb_build_app_using_subcommand lock" -l index -d 'Package index; the first one is the primary index (default: PyPI, or the field Index)' -r
complete -c deb-build-app -n "__fish_deb_build_app_using_subcommand lock" -l trust-source -d 'Run code of the source with your own rights where it cannot be contained'
complete -c deb-build-app -n "__fish_deb_build_app_using_subcommand lock" -l upgrade -d 'Take the newest versions, whatever the lock has now'
complete -c deb-build-app -n "__fish_deb_build_app_using_subcommand lock" -l check -d 'Change nothing; fail where the lock was made from other requirements'
complete -c deb-build-app -n "__fish_deb_build_app_using_subcommand lock" -s q -l quiet -d 'Print only errors and results'
complete -c deb-build-app -n "__fish_deb_build_app_using_subcommand lock" -s v -l verbose -d 'Show logs as they grow'
complete -c deb-build-app -n "__fish_deb_build_app_using_subcommand lock" -l json -d 'Print results as JSON'
complete -c deb-build-app -n "__fish_deb_build_app_using_subcommand lock" -s h -l help -d 'Print help'
complete -c deb-build-app -n "__fish_deb_build_app_using_subcommand vendor" -s s -l suite -d 'Suite to build for; may be repeated (default: bookworm and trixie)' -r
complete -c deb-build-app -n "__fish_deb_build_app_using_subcommand vendor" -l index -d 'Package index; the first one is the primary index (default: PyPI, or the field Index)' -r
complete -c deb-build-app -n "__fish_deb_build_app_using_subcommand vendor" -s a -l arch -d 'Architecture to build for; may be repeated (default: this machine\'s)' -r
complete -c deb-build-app -n "__fish_deb_build_app_using_subcommand vendor" -l trust-source -d 'Run code of the source with your own rights where it cannot be contained'
complete -c deb-build-app -n "__fish_deb_build_app_using_subcommand vendor" -l component -d 'Write an orig component tarball beside the source directory, not debian/wheelhouse'
complete -c deb-build-app -n "__fish_deb_build_app_using_subcommand vendor" -l check -d 'Change nothing; fail where files are stale, missing, altered or yanked: those of debian/wheelhouse, else or with --component those of the tarball'
complete -c deb-build-app -n "__fish_deb_build_app_using_subcommand vendor" -s q -l quiet -d 'Print only errors and results'
complete -c deb-build-app -n "__fish_deb_build_app_using_subcommand vendor" -s v -l verbose -d 'Show logs as they grow'
complete -c deb-build-app -n "__fish_deb_build_app_using_subcommand vendor" -l json -d 'Print results as JSON'
complete -c deb-build-app -n "__fish_deb_build_app_using_subcommand vendor" -s h -l help -d 'Print help'
complete -c deb-build-app -n "__fish_deb_build_app_using_subcommand build" -l tag -d 'Take this tag' -r
complete -c deb-build-app -n "__fish_deb_build_app_using_subcommand build" -l branch -d 'Take this branch, local or of origin' -r
complete -c deb-build-app -n "__fish_deb_build_app_using_subcommand build" -l commit -d 'Take this commit' -r
complete -c deb-build-app -n "__fish_deb_build_app_using_subcommand build" -s s -l suite -d 'Suite to build for (default: bookworm)' -r
complete -c deb-build-app -n "__fish_deb_build_app_using_subcommand build" -s a -l arch -d 'Architecture to build for (default: this machine\'s)' -r
complete -c deb-build-app -n "__fish_deb_build_app_using_subcommand build" -s o -l output -d 'Directory for results, which go to SUITE/SOURCE/VERSION/ARCH below it (default: ../build-area)' -r -F
complete -c deb-build-app -n "__fish_deb_build_app_using_subcommand build" -l build -d 'What to build: full, binary, any or all (default: full where the orig tarball is there)' -r -f -a "full\t''
binary\t''
any\t''
all\t''"
complete -c deb-build-app -n "__fish_deb_build_app_using_subcommand build" -l check -d 'Check what was built, as check does: default, all, or names with commas' -r
complete -c deb-build-app -n "__fish_deb_build_app_using_subcommand build" -l backend -d 'What builds: session, sbuild, pbuilder or host (default: session)' -r -f -a "session\t'A session of the driver\'s own'
sbuild\t'sbuild, in its mode unshare'
pbuilder\t'pbuilder'
host\t'This machine as it is, build dependencies included'"
complete -c deb-build-app -n "__fish_deb_build_app_using_subcommand build" -l time-limit -d 'End the build after this time: 90s, 30m, 2h' -r
complete -c deb-build-app -n "__fish_deb_build_app_using_subcommand build" -l room -d 'Most megabytes that the build may write (default: three quarters of the free memory)' -r
complete -c deb-build-app -n "__fish_deb_build_app_using_subcommand build" -l allow-dirty -d 'Go on although the work tree has changes: only what is committed is taken'
complete -c deb-build-app -n "__fish_deb_build_app_using_subcommand build" -l vendor -d 'Collect the wheels that the build needs first, as vendor does (default: where a build without a network has no wheelhouse)'
complete -c deb-build-app -n "__fish_deb_build_app_using_subcommand build" -l trust-source -d 'Build on this machine as it is although root does: the source is trusted with it'
complete -c deb-build-app -n "__fish_deb_build_app_using_subcommand build" -l privileged-check -d 'Check with root\'s powers over this machine: the packages are trusted with it'
complete -c deb-build-app -n "__fish_deb_build_app_using_subcommand build" -l network -d 'Leave the network to the build'
complete -c deb-build-app -n "__fish_deb_build_app_using_subcommand build" -l wait -d 'Wait for another build of this source'
complete -c deb-build-app -n "__fish_deb_build_app_using_subcommand build" -s q -l quiet -d 'Print only errors and results'
complete -c deb-build-app -n "__fish_deb_build_app_using_subcommand build" -s v -l verbose -d 'Show logs as they grow'
complete -c deb-build-app -n "__fish_deb_build_app_using_subcommand build" -l json -d 'Print results as JSON'
complete -c deb-build-app -n "__fish_deb_build_app_using_subcommand build" -s h -l help -d 'Print help'
complete -c deb-build-app -n "__fish_deb_build_app_using_subcommand check" -s s -l suite -d 'Suite that it was built for (default: what manifest.json beside it says, else bookworm)' -r
complete -c deb-build-app -n "__fish_deb_build_app_using_subcommand check" -s a -l arch -d 'Architecture that it was built for (default: manifest.json\'s, else this machine\'s)' -r
complete -c deb-build-app -n "__fish_deb_build_app_using_subcommand check" -l only -d 'Run this check only: lintian, rebuild, install, piuparts or autopkgtest; may be repeated' -r
complete -c deb-build-app -n "__fish_deb_build_app_using_subcommand check" -l all -d 'Run all of them (default: lintian, rebuild and install)'
complete -c deb-build-app -n "__fish_deb_build_app_using_subcommand check" -l privileged-check -d 'Install with root\'s powers over this machine: the packages are trusted with it'
complete -c deb-build-app -n "__fish_deb_build_app_using_subcommand check" -s q -l quiet -d 'Print only errors and results'
complete -c deb-build-app -n "__fish_deb_build_app_using_subcommand check" -s v -l verbose -d 'Show logs as they grow'
complete -c deb-build-app -n "__fish_deb_build_app_using_subcommand check" -l json -d 'Print results as JSON'
complete -c deb-build-app -n "__fish_deb_build_app_using_subcommand check" -s h -l help -d 'Print help'
complete -c deb-build-app -n "__fish_deb_build_app_using_subcommand env; and not __fish_seen_subcommand_from create update list shell remove gc" -s q -l quiet -d 'Print only errors and results'
complete -c deb-build-app -n "__fish_deb_build_app_using_subcommand env; and not __fish_seen_subcommand_from create update list shell remove gc" -s v -l verbose -d 'Show logs as they grow'
complete -c deb-build-app -n "__fish_deb_build_app_using_subcommand env; and not __fish_seen_subcommand_from create update list shell remove gc" -l json -d 'Print results as JSON'
complete -c deb-build-app -n "__fish_deb_build_app_using_subcommand env; and not __fish_seen_subcommand_from create update list shell remove gc" -s h -l help -d 'Print help'
complete -c deb-build-app -n "__fish_deb_build_app_using_subcommand env; and not __fish_seen_subcommand_from create update list shell remove gc" -f -a "create" -d 'Make the environment of a suite'
complete -c deb-build-app -n "__fish_deb_build_app_using_subcommand env; and not __fish_seen_subcommand_from create update list shell remove gc" -f -a "update" -d 'Make a new generation of an environment from the archive as it is now'
complete -c deb-build-app -n "__fish_deb_build_app_using_subcommand env; and not __fish_seen_subcommand_from create update list shell remove gc" -f -a "list" -d 'Show environments and the layers on them, with sizes and ages'
complete -c deb-build-app -n "__fish_deb_build_app_using_subcommand env; and not __fish_seen_subcommand_from create update list shell remove gc" -f -a "shell" -d 'Open a shell in a session that is gone afterwards'
complete -c deb-build-app -n "__fish_deb_build_app_using_subcommand env; and not __fish_seen_subcommand_from create update list shell remove gc" -f -a "remove" -d 'Remove an environment and all that stands on it'
complete -c deb-build-app -n "__fish_deb_build_app_using_subcommand env; and not __fish_seen_subcommand_from create update list shell remove gc" -f -a "gc" -d 'Remove old generations, and layers that are no longer used'
complete -c deb-build-app -n "__fish_deb_build_app_using_subcommand env; and __fish_seen_subcommand_from create" -s a -l arch -d 'Architecture (default: this machine\'s)' -r
complete -c deb-build-app -n "__fish_deb_build_app_using_subcommand env; and __fish_seen_subcommand_from create" -l deb -d 'Package file to install for every build, or a directory of such; may be repeated' -r -F
complete -c deb-build-app -n "__fish_deb_build_app_using_subcommand env; and __fish_seen_subcommand_from create" -l include -d 'Package of the archive to install for every build; may be repeated' -r
complete -c deb-build-app -n "__fish_deb_build_app_using_subcommand env; and __fish_seen_subcommand_from create" -l from -d 'Start from a system that another tool has made: a directory or a tar archive' -r -F
complete -c deb-build-app -n "__fish_deb_build_app_using_subcommand env; and __fish_seen_subcommand_from create" -l mirror -d 'Mirror of Debian\'s archive (default: the one that this machine\'s apt uses)' -r
complete -c deb-build-app -n "__fish_deb_build_app_using_subcommand env; and __fish_seen_subcommand_from create" -s q -l quiet -d 'Print only errors and results'
complete -c deb-build-app -n "__fish_deb_build_app_using_subcommand env; and __fish_seen_subcommand_from create" -s v -l verbose -d 'Show logs as they grow'
complete -c deb-build-app -n "__fish_deb_build_app_using_subcommand env; and __fish_seen_subcommand_from create" -l json -d 'Print results as JSON'
complete -c deb-build-app -n "__fish_deb_build_app_using_subcommand env; and __fish_seen_subcommand_from create" -s h -l help -d 'Print help'
complete -c deb-build-app -n "__fish_deb_build_app_using_subcommand env; and __fish_seen_subcommand_from update" -s a -l arch -d 'Architecture (default: this machine\'s)' -r
complete -c deb-build-app -n "__fish_deb_build_app_using_subcommand env; and __fish_seen_subcommand_from update" -s q -l quiet -d 'Print only errors and results'
complete -c deb-build-app -n "__fish_deb_build_app_using_subcommand env; and __fish_seen_subcommand_from update" -s v -l verbose -d 'Show logs as they grow'
complete -c deb-build-app -n "__fish_deb_build_app_using_subcommand env; and __fish_seen_subcommand_from update" -l json -d 'Print results as JSON'
complete -c deb-build-app -n "__fish_deb_build_app_using_subcommand env; and __fish_seen_subcommand_from update" -s h -l help -d 'Print help'
complete -c deb-build-app -n "__fish_deb_build_app_using_subcommand env; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Print only errors and results'
complete -c deb-build-app -n "__fish_deb_build_app_using_subcommand env; and __fish_seen_subcommand_from list" -s v -l verbose -d 'Show logs as they grow'
complete -c deb-build-app -n "__fish_deb_build_app_using_subcommand env; and __fish_seen_subcommand_from list" -l json -d 'Print results as JSON'
complete -c deb-build-app -n "__fish_deb_build_app_using_subcommand env; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c deb-build-app -n "__fish_deb_build_app_using_subcommand env; and __fish_seen_subcommand_from shell" -s a -l arch -d 'Architecture (default: this machine\'s)' -r
complete -c deb-build-app -n "__fish_deb_build_app_using_subcommand env; and __fish_seen_subcommand_from shell" -l offline -d 'Without a network'
complete -c deb-build-app -n "__fish_deb_build_app_using_subcommand env; and __fish_seen_subcommand_from shell" -s q -l quiet -d 'Print only errors and results'
complete -c deb-build-app -n "__fish_deb_build_app_using_subcommand env; and __fish_seen_subcommand_from shell" -s v -l verbose -d 'Show logs as they grow'
complete -c deb-build-app -n "__fish_deb_build_app_using_subcommand env; and __fish_seen_subcommand_from shell" -l json -d 'Print results as JSON'
complete -c deb-build-app -n "__fish_deb_build_app_using_subcommand env; and __fish_seen_subcommand_from shell" -s h -l help -d 'Print help'
complete -c deb-build-app -n "__fish_deb_build_app_using_subcommand env; and __fish_seen_subcommand_from remove" -s a -l arch -d 'Architecture (default: this machine\'s)' -r
complete -c deb-build-app -n "__fish_deb_build_app_using_subcommand env; and __fish_seen_subcommand_from remove" -s q -l quiet -d 'Print only errors and results'
complete -c deb-build-app -n "__fish_deb_build_app_using_subcommand env; and __fish_seen_subcommand_from remove" -s v -l verbose -d 'Show logs as they grow'
complete -c deb-build-app -n "__fish_deb_build_app_using_subcommand env; and __fish_seen_subcommand_from remove" -l json -d 'Print results as JSON'
complete -c deb-build-app -n "__fish_deb_build_app_using_subcommand env; and __fish_seen_subcommand_from remove" -s h -l help -d 'Print help'
complete -c deb-build-app -n "__fish_deb_build_app_using_subcommand env; and __fish_seen_subcommand_from gc" -l keep-days -d 'Keep layers that were used within so many days' -r
complete -c deb-build-app -n "__fish_deb_build_app_using_subcommand env; and __fish_seen_subcommand_from gc" -s q -l quiet -d 'Print only errors and results'
complete -c deb-build-app -n "__fish_deb_build_app_using_subcommand env; and __fish_seen_subcommand_from gc" -s v -l verbose -d 'Show logs as they grow'
complete -c deb-build-app -n "__fish_deb_build_app_using_subcommand env; and __fish_seen_subcommand_from gc" -l json -d 'Print results as JSON'
complete -c deb-build-app -n "__fish_deb_build_app_using_subcommand env; and __fish_seen_subcommand_from gc" -s h -l help -d 'Print help'
