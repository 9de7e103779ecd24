@FILE share/python/zeoclient/health.py@
