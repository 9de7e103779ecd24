"""What a ZEO client needs before and beside its own start.

This package is installed into the virtual environment of an application that
keeps its data on a ZEO server, because it needs that environment's ZODB. It
asks a server what state it is in (``probe``), creates the first administrator
exactly once per storage (``bootstrap``), and runs an application's upgrade
exactly once per storage and version (``upgrade``). ``python -m zeoclient``
says how it is called.

It needs Python 3.11 and ZEO, and a framework only where it adds that
framework's administrator. It never opens a network port and never writes a
secret to anything but a file of mode 0600.
"""

#: Version of the JSON that every command prints.
SCHEMA = 1
