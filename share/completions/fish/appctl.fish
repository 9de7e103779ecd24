# Completion of appctl(1), which knows itself what may come next.

function __fish_appctl_words
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    $words[1] words -- $words[2..] "$current" 2>/dev/null
end

complete -c appctl -f -a "(__fish_appctl_words)"
complete -c appctl -l root -x -a "(__fish_complete_directories)" -d "Work on the system in this directory"
