@FILE share/python/zeoclient/probe.py@
