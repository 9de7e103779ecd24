@FILE share/python/zeoclient/bootstrap.py@
