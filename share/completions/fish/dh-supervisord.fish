complete -c dh-supervisord -w dh_supervisord
