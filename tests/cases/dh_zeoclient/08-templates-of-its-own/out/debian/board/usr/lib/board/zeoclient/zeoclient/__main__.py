@FILE share/python/zeoclient/__main__.py@
