@FILE share/python/zeoclient-run.py@
