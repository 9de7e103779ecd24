"""Look into storages, and into their users: ADDRESS, then STORAGE[=FILE] words.

FILE is an initial-admin-password. Prints {STORAGE: {"users", "marker",
"authenticates", "serial"}}; "serial" is that of the user folder's users.
With STORAGE:VERB=ARGUMENT something is done instead: "password=NEW" is what an
administrator does in the ZMI, "user=NAME" makes a user as Zope's own tools do,
"delete" removes all users, "fill" makes the storage a non-empty one.
"""

import json
import sys

import ZEO
from AuthEncoding.AuthEncoding import pw_validate
from OFS.Application import Application
from ZODB import DB

address = sys.argv[1]
seen = {}
for word in sys.argv[2:]:
    name, _, argument = word.partition("=")
    storage, _, verb = name.partition(":")
    host, port = address.rsplit(":", 1)
    database = DB(ZEO.client((host, int(port)), storage=storage, wait_timeout=10))
    connection = database.open()
    root = connection.root()
    if verb:
        root.setdefault("Application", Application())
        folder = root["Application"].acl_users
        if verb == "password":
            user = folder.data["admin"]
            folder._doChangeUser("admin", argument, user.roles, user.domains)
        elif verb == "user":
            folder._doAddUser(argument, "a password of their own", ["Manager"], [])
        elif verb == "delete":
            folder._doDelUsers(folder.getUserNames())
        elif verb == "fill":
            root["filled"] = True
        # The mapping is its own persistent object; the user in it is none.
        folder.data._p_changed = True
        connection.transaction_manager.commit()
    else:
        application = root.get("Application")
        users = application.acl_users.data if application is not None else {}
        found = {
            "users": sorted(users),
            "roles": sorted({role for user in users.values() for role in user.roles}),
            "marker": dict(root.get("zeoclient.bootstrap", {})),
            "serial": users._p_serial.hex() if users and not users._p_activate() else "",
        }
        if argument:
            with open(argument) as file:
                password = file.read().splitlines()[-1]
            found["authenticates"] = "admin" in users and bool(pw_validate(users["admin"].__, password))
        seen[storage] = found
    connection.transaction_manager.abort()
    connection.close()
    database.close()
print(json.dumps(seen))
