complete -c dh-appconfig -w dh_appconfig
