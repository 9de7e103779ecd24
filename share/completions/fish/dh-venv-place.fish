complete -c dh-venv-place -w dh_venv_place
