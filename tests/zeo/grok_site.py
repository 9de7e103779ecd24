"""A Grok application's start, in this process: ADDRESS, then passwords of admin.

Prints the statuses of a page that only zope.Manager may see: without a
password, then with each. With --fill it puts a folder into the root instead.
"""

import base64
import io
import json
import sys

import transaction
import zope.event
from zope.app.wsgi import WSGIPublisherApplication
from zope.configuration import xmlconfig
from zope.processlifetime import DatabaseOpened
from zope.site.folder import Folder
from ZEO import DB

SITE = """
<configure xmlns="http://namespaces.zope.org/zope" xmlns:browser="http://namespaces.zope.org/browser">
  <include package="grok" file="meta.zcml" />
  <include package="grok" />
  <include package="zope.app.appsetup" />
  <include package="zope.pluggableauth" />
  <include package="zope.pluggableauth.plugins" file="generic.zcml" />
  <include package="zope.pluggableauth.plugins" file="httpplugins.zcml" />
  <include package="zope.pluggableauth.plugins" file="principalfolder.zcml" />
  <include package="zope.principalregistry" file="meta.zcml" />
  <include package="zope.securitypolicy" file="meta.zcml" />
  <include package="zope.securitypolicy" file="securitypolicy.zcml" />
  <securityPolicy component="zope.securitypolicy.zopepolicy.ZopeSecurityPolicy" />
  <unauthenticatedPrincipal id="zope.anybody" title="Anybody" />
  <permission id="test.Secret" title="See the secret" />
  <role id="zope.Manager" title="Manager" />
  <grantAll role="zope.Manager" />
  <browser:page for="*" name="secret" class="__main__.Secret" permission="test.Secret" />
</configure>
"""


class Secret:
    def __init__(self, context, request):
        self.context = context
        self.request = request

    def __call__(self):
        return "for managers"


def ask(application, password):
    """The status of the page."""
    environ = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": "/secret",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": sys.stderr,
    }
    if password is not None:
        words = base64.b64encode(f"admin:{password}".encode()).decode()
        environ["HTTP_AUTHORIZATION"] = f"Basic {words}"
    statuses = []
    list(application(environ, lambda status, headers, error=None: statuses.append(int(status.split()[0]))))
    return statuses[0]


host, port = sys.argv[1].rsplit(":", 1)
database = DB((host, int(port)))
context = xmlconfig.string(SITE)
zope.event.notify(DatabaseOpened(database))
application = WSGIPublisherApplication(database)
if sys.argv[2:] == ["--fill"]:
    connection = database.open()
    connection.root()["Application"]["content"] = Folder()
    transaction.commit()
    connection.close()
    print(json.dumps([ask(application, None)]))
else:
    print(json.dumps([ask(application, password) for password in (None, *sys.argv[2:])]))
database.close()
