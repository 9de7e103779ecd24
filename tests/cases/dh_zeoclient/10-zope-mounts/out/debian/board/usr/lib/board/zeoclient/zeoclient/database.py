@FILE share/python/zeoclient/database.py@
