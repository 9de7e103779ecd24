@FILE share/python/zeoclient/__init__.py@
