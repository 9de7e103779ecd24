@FILE share/python/zeoclient/upgrade.py@
