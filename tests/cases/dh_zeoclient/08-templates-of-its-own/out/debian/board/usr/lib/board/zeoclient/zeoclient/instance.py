@FILE share/python/zeoclient/instance.py@
