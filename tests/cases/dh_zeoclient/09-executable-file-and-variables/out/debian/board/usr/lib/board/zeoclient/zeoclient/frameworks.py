@FILE share/python/zeoclient/frameworks.py@
