@FILE share/python/zeoclient/status.py@
