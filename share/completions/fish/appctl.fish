# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_appctl_global_optspecs
    string join \n root= json h/help V/version
end

function __fish_appctl_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_appctl_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_appctl_using_subcommand
    set -l cmd (__fish_appctl_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c appctl -n "__fish_appctl_needs_command" -l root -d 'Work on the system in this directory, with its accounts' -r -f -a "(__fish_complete_directories)"
complete -c appctl -n "__fish_appctl_needs_command" -l json -d 'Answer in JSON, an object a package, each on a line of its own'
complete -c appctl -n "__fish_appctl_needs_command" -s h -l help -d 'Print help'
complete -c appctl -n "__fish_appctl_needs_command" -s V -l version -d 'Print version'
complete -c appctl -n "__fish_appctl_needs_command" -f -a "status" -d 'Show in what state the configuration of a package is'
complete -c appctl -n "__fish_appctl_needs_command" -f -a "config" -d 'Show, change and apply settings'
complete -c appctl -n "__fish_appctl_needs_command" -f -a "service" -d 'Take care of a package\'s services'
complete -c appctl -n "__fish_appctl_needs_command" -f -a "maint" -d 'Do the part of a maintainer script; called by generated scripts alone'
complete -c appctl -n "__fish_appctl_using_subcommand status" -l root -d 'Work on the system in this directory, with its accounts' -r -f -a "(__fish_complete_directories)"
complete -c appctl -n "__fish_appctl_using_subcommand status" -l json -d 'Answer in JSON, an object a package, each on a line of its own'
complete -c appctl -n "__fish_appctl_using_subcommand status" -s h -l help -d 'Print help'
complete -c appctl -n "__fish_appctl_using_subcommand config; and not __fish_seen_subcommand_from show set unset diff check apply" -l root -d 'Work on the system in this directory, with its accounts' -r -f -a "(__fish_complete_directories)"
complete -c appctl -n "__fish_appctl_using_subcommand config; and not __fish_seen_subcommand_from show set unset diff check apply" -l json -d 'Answer in JSON, an object a package, each on a line of its own'
complete -c appctl -n "__fish_appctl_using_subcommand config; and not __fish_seen_subcommand_from show set unset diff check apply" -s h -l help -d 'Print help'
complete -c appctl -n "__fish_appctl_using_subcommand config; and not __fish_seen_subcommand_from show set unset diff check apply" -f -a "show" -d 'Show the settings that count, and where each comes from'
complete -c appctl -n "__fish_appctl_using_subcommand config; and not __fish_seen_subcommand_from show set unset diff check apply" -f -a "set" -d 'Change settings, and bring about what follows'
complete -c appctl -n "__fish_appctl_using_subcommand config; and not __fish_seen_subcommand_from show set unset diff check apply" -f -a "unset" -d 'Go back to what the other layers say; a secret is made anew'
complete -c appctl -n "__fish_appctl_using_subcommand config; and not __fish_seen_subcommand_from show set unset diff check apply" -f -a "diff" -d 'Show what applying would change; exit status 3 where it would change anything'
complete -c appctl -n "__fish_appctl_using_subcommand config; and not __fish_seen_subcommand_from show set unset diff check apply" -f -a "check" -d 'Render every file and let its check look at it; change nothing'
complete -c appctl -n "__fish_appctl_using_subcommand config; and not __fish_seen_subcommand_from show set unset diff check apply" -f -a "apply" -d 'Bring the files up to date with the settings'
complete -c appctl -n "__fish_appctl_using_subcommand config; and __fish_seen_subcommand_from show" -l root -d 'Work on the system in this directory, with its accounts' -r -f -a "(__fish_complete_directories)"
complete -c appctl -n "__fish_appctl_using_subcommand config; and __fish_seen_subcommand_from show" -l json -d 'Answer in JSON, an object a package, each on a line of its own'
complete -c appctl -n "__fish_appctl_using_subcommand config; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help'
complete -c appctl -n "__fish_appctl_using_subcommand config; and __fish_seen_subcommand_from set" -l root -d 'Work on the system in this directory, with its accounts' -r -f -a "(__fish_complete_directories)"
complete -c appctl -n "__fish_appctl_using_subcommand config; and __fish_seen_subcommand_from set" -l stdin -d 'Read the value from standard input, as every secret must be'
complete -c appctl -n "__fish_appctl_using_subcommand config; and __fish_seen_subcommand_from set" -l json -d 'Answer in JSON, an object a package, each on a line of its own'
complete -c appctl -n "__fish_appctl_using_subcommand config; and __fish_seen_subcommand_from set" -s h -l help -d 'Print help'
complete -c appctl -n "__fish_appctl_using_subcommand config; and __fish_seen_subcommand_from unset" -l root -d 'Work on the system in this directory, with its accounts' -r -f -a "(__fish_complete_directories)"
complete -c appctl -n "__fish_appctl_using_subcommand config; and __fish_seen_subcommand_from unset" -l json -d 'Answer in JSON, an object a package, each on a line of its own'
complete -c appctl -n "__fish_appctl_using_subcommand config; and __fish_seen_subcommand_from unset" -s h -l help -d 'Print help'
complete -c appctl -n "__fish_appctl_using_subcommand config; and __fish_seen_subcommand_from diff" -l root -d 'Work on the system in this directory, with its accounts' -r -f -a "(__fish_complete_directories)"
complete -c appctl -n "__fish_appctl_using_subcommand config; and __fish_seen_subcommand_from diff" -l json -d 'Answer in JSON, an object a package, each on a line of its own'
complete -c appctl -n "__fish_appctl_using_subcommand config; and __fish_seen_subcommand_from diff" -s h -l help -d 'Print help'
complete -c appctl -n "__fish_appctl_using_subcommand config; and __fish_seen_subcommand_from check" -l root -d 'Work on the system in this directory, with its accounts' -r -f -a "(__fish_complete_directories)"
complete -c appctl -n "__fish_appctl_using_subcommand config; and __fish_seen_subcommand_from check" -l json -d 'Answer in JSON, an object a package, each on a line of its own'
complete -c appctl -n "__fish_appctl_using_subcommand config; and __fish_seen_subcommand_from check" -s h -l help -d 'Print help'
complete -c appctl -n "__fish_appctl_using_subcommand config; and __fish_seen_subcommand_from apply" -l root -d 'Work on the system in this directory, with its accounts' -r -f -a "(__fish_complete_directories)"
complete -c appctl -n "__fish_appctl_using_subcommand config; and __fish_seen_subcommand_from apply" -l json -d 'Answer in JSON, an object a package, each on a line of its own'
complete -c appctl -n "__fish_appctl_using_subcommand config; and __fish_seen_subcommand_from apply" -s h -l help -d 'Print help'
complete -c appctl -n "__fish_appctl_using_subcommand service; and not __fish_seen_subcommand_from converge" -l root -d 'Work on the system in this directory, with its accounts' -r -f -a "(__fish_complete_directories)"
complete -c appctl -n "__fish_appctl_using_subcommand service; and not __fish_seen_subcommand_from converge" -l json -d 'Answer in JSON, an object a package, each on a line of its own'
complete -c appctl -n "__fish_appctl_using_subcommand service; and not __fish_seen_subcommand_from converge" -s h -l help -d 'Print help'
complete -c appctl -n "__fish_appctl_using_subcommand service; and not __fish_seen_subcommand_from converge" -f -a "converge" -d 'Restart or reload what runs with an older configuration, once'
complete -c appctl -n "__fish_appctl_using_subcommand service; and __fish_seen_subcommand_from converge" -l root -d 'Work on the system in this directory, with its accounts' -r -f -a "(__fish_complete_directories)"
complete -c appctl -n "__fish_appctl_using_subcommand service; and __fish_seen_subcommand_from converge" -l json -d 'Answer in JSON, an object a package, each on a line of its own'
complete -c appctl -n "__fish_appctl_using_subcommand service; and __fish_seen_subcommand_from converge" -s h -l help -d 'Print help'
complete -c appctl -n "__fish_appctl_using_subcommand maint" -l root -d 'Work on the system in this directory, with its accounts' -r -f -a "(__fish_complete_directories)"
complete -c appctl -n "__fish_appctl_using_subcommand maint" -l json -d 'Answer in JSON, an object a package, each on a line of its own'
complete -c appctl -n "__fish_appctl_using_subcommand maint" -s h -l help -d 'Print help'
