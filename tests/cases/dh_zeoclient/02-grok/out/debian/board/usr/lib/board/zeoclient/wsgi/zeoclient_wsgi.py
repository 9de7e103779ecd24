@FILE share/python/zeoclient_wsgi.py@
