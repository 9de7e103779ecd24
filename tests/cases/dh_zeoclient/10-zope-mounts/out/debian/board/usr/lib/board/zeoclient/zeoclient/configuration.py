@FILE share/python/zeoclient/configuration.py@
