@FILE share/python/zeoclient/password.py@
