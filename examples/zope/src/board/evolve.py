"""``board-evolve ZOPE.CONF``: bring the data to this version. Runs once per storage."""

import sys

from . import notices


def main():
    """Exit status 0: done; anything else: not."""
    if len(sys.argv) != 2:
        sys.exit("usage: board-evolve ZOPE.CONF")
    import transaction
    import Zope2
    from Zope2.Startup.run import configure_wsgi

    configure_wsgi(sys.argv[1])
    application = Zope2.app()
    count = notices.evolve(application)
    transaction.commit()
    application._p_jar.close()
    print(f"{count} notices have a time now")
