@FILE share/python/zeoclient/errors.py@
