complete -c dh-venv -w dh_venv
