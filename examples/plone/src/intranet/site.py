"""``intranet-site ZOPE.CONF``: make the site where there is none, else migrate it.

dh_zeoclient runs it once for each storage and version, on one node, under a lock
in the database; the first administrator is there by then.
"""

import sys

#: The site's id, and with it the path of its pages.
SITE = "Plone"


def main():
    """Exit status 0: done; anything else: not."""
    if len(sys.argv) != 2:
        sys.exit("usage: intranet-site ZOPE.CONF")
    import transaction
    import Zope2
    from AccessControl.SecurityManagement import newSecurityManager
    from Testing.makerequest import makerequest
    from Zope2.Startup.run import configure_wsgi
    from zope.component.hooks import setSite
    from zope.globalrequest import setRequest

    configure_wsgi(sys.argv[1])
    application = makerequest(Zope2.app())
    request = application.REQUEST
    request["PARENTS"] = [application]
    setRequest(request)
    managers = [
        user for user in application.acl_users.getUsers() if "Manager" in user.getRoles()
    ]
    if not managers:
        sys.exit("intranet-site: there is no manager, to whom the site would belong")
    newSecurityManager(None, managers[0].__of__(application.acl_users))
    if SITE in application.objectIds():
        site = application[SITE]
        setSite(site)
        done = _migrate(site)
    else:
        done = _create(application)
    transaction.commit()
    application._p_jar.close()
    print(done)


def _create(application):
    from Products.CMFPlone.factory import addPloneSite

    addPloneSite(application, SITE, title="Intranet", default_language="en", setup_content=False)
    return f"the site /{SITE} has been made"


def _migrate(site):
    migration = site.portal_migration
    if not migration.needUpgrading():
        return f"the site /{SITE} is up to date"
    before = migration.getInstanceVersion()
    said = migration.upgrade(swallow_errors=False)
    if migration.needUpgrading():
        sys.exit(f"intranet-site: the migration from {before} did not come to its end:\n{said}")
    return f"the site /{SITE} has been migrated from {before} to {migration.getInstanceVersion()}"
