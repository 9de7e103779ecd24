complete -c dh-zeoclient -w dh_zeoclient
