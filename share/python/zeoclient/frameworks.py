"""Administrators, as each framework keeps them in its database.

Every function here works on a root within a transaction that the caller
commits. A framework is imported only when its administrator is looked at.
"""

from __future__ import annotations

import importlib
from typing import Any, Protocol

from .configuration import Bootstrap
from .database import Root
from .errors import Fault, Usage


class Framework(Protocol):
    """What the bootstrap needs to know of a framework."""

    def add(self, root: Root, user: str, password: str) -> bool:
        """Add the first administrator. False, and nothing is changed, where
        the database has users of its own or other means to let them in."""

    def reset(self, root: Root, user: str, password: str) -> None:
        """Give the administrator this password, whether there is one or not."""


def framework(bootstrap: Bootstrap) -> Framework:
    """The framework that the configuration names."""
    if bootstrap.framework == "custom":
        return Custom(bootstrap.seed or "")
    try:
        return Zope() if bootstrap.framework == "zope" else Grok()
    except ImportError as error:
        raise Fault(
            f'framework = "{bootstrap.framework}" needs the module {error.name}',
            "add its distribution to the application's requirements",
        ) from error


class Zope:
    """Zope: a user with the role Manager in the root's acl_users."""

    def __init__(self) -> None:
        from Acquisition import aq_base
        from OFS.Application import Application
        from OFS.userfolder import UserFolder

        self._application = Application
        self._user_folder = UserFolder
        self._aq_base = aq_base

    def add(self, root: Root, user: str, password: str) -> bool:
        if "Application" not in root:
            # What Zope's own start does with an empty database (App.ZApplication).
            root["Application"] = self._application()
        folder = self._folder(root)
        # Another kind of user folder was put there by somebody.
        if folder is None or folder.hasUsers():
            return False
        self._set(folder, user, password)
        return True

    def reset(self, root: Root, user: str, password: str) -> None:
        folder = self._folder(root) if "Application" in root else None
        if folder is None:
            raise Fault(
                "the root of this Zope has no plain user folder",
                "reset the password with the tools of the user folder that it has (Plone: bin/zconsole run)",
            )
        self._set(folder, user, password)

    def _folder(self, root: Root) -> Any:
        folder = getattr(self._aq_base(root["Application"]), "acl_users", None)
        return folder if isinstance(folder, self._user_folder) else None

    def _set(self, folder: Any, user: str, password: str) -> None:
        if folder._isPasswordEncrypted(password):
            raise Usage("the password looks like a hash, and Zope would take it for one", "choose another one")
        folder._doAddUser(user, password, ["Manager"], [])


class Grok:
    """Grok and other zope.app applications: a principal in the root folder's own
    authentication (zope.pluggableauth), with the role zope.Manager.

    The application's site.zcml must include zope.pluggableauth and its plugins;
    it needs no <principal> of its own.
    """

    PLUGIN = "principals"
    ROLE = "zope.Manager"

    def __init__(self) -> None:
        from zope.annotation.attribute import AttributeAnnotations
        from zope.annotation.interfaces import IAnnotations
        from zope.app.publication.zopepublication import ZopePublication
        from zope.authentication.interfaces import IAuthentication
        from zope.component import provideAdapter, provideUtility
        from zope.interface import Interface
        from zope.password.interfaces import IPasswordManager
        from zope.password.password import SSHAPasswordManager
        from zope.pluggableauth.authentication import PluggableAuthentication
        from zope.pluggableauth.plugins import principalfolder
        from zope.securitypolicy.principalrole import AnnotationPrincipalRoleManager
        from zope.site.folder import rootFolder
        from zope.site.site import LocalSiteManager

        # What the objects below look up; their ZCML registers the same.
        provideAdapter(AttributeAnnotations, (Interface,), IAnnotations)
        provideUtility(SSHAPasswordManager(), IPasswordManager, "SSHA")
        self._root_name = ZopePublication.root_name
        self._root_folder = rootFolder
        self._site_manager = LocalSiteManager
        self._interface = IAuthentication
        self._authentication = PluggableAuthentication
        self._plugin = principalfolder
        self._roles = AnnotationPrincipalRoleManager

    def add(self, root: Root, user: str, password: str) -> bool:
        if self._root_name not in root:
            # What zope.app.appsetup.bootstrap does with an empty database.
            root[self._root_name] = folder = self._root_folder()
            folder.setSiteManager(self._site_manager(folder))
        folder = root[self._root_name]
        site = folder.getSiteManager()
        # A site in the folder has users of its own, or its makers know why not.
        if len(folder) or site.queryUtility(self._interface) is not None:
            return False
        self._set(folder, self._new_principals(site), user, password)
        return True

    def reset(self, root: Root, user: str, password: str) -> None:
        folder = root.get(self._root_name)
        # An empty folder counts as false.
        authentication = None if folder is None else folder.getSiteManager().queryUtility(self._interface)
        principals = authentication.get(self.PLUGIN) if isinstance(authentication, self._authentication) else None
        if not isinstance(principals, self._plugin.PrincipalFolder):
            raise Fault(
                f"the root folder's authentication has no principal folder '{self.PLUGIN}'",
                "reset the password with the application's own tools",
            )
        self._set(folder, principals, user, password)

    def _new_principals(self, site: Any) -> Any:
        authentication = self._authentication()
        site["default"]["authentication"] = authentication
        site.registerUtility(authentication, self._interface)
        authentication[self.PLUGIN] = self._plugin.PrincipalFolder(f"{self.PLUGIN}.")
        authentication.authenticatorPlugins = (self.PLUGIN,)
        authentication.credentialsPlugins = ("No Challenge if Authenticated", "Zope Realm Basic-Auth")
        return authentication[self.PLUGIN]

    def _set(self, folder: Any, principals: Any, user: str, password: str) -> None:
        if user in principals:
            principals[user].setPassword(password, "SSHA")
        else:
            principals[user] = self._plugin.InternalPrincipal(user, password, user)
        self._roles(folder).assignRoleToPrincipal(self.ROLE, principals.prefix + user)


class Custom:
    """A function of the application, ``MODULE:FUNCTION``:

    ``seed(root, user, password) -> bool`` adds the administrator, or returns
    False and changes nothing where the database has users. It must not commit,
    and is called again after a conflict. The attribute ``reset`` of the
    function, where it has one, is called as ``reset(root, user, password)``.
    """

    def __init__(self, name: str) -> None:
        module, colon, function = name.partition(":")
        try:
            self._seed = getattr(importlib.import_module(module), function)
        except (ImportError, AttributeError, ValueError) as error:
            raise Usage(f'seed = "{name}" cannot be loaded: {error}') from error
        if not colon or not callable(self._seed):
            raise Usage(f'seed = "{name}" is no function', "write MODULE:FUNCTION")

    def add(self, root: Root, user: str, password: str) -> bool:
        added = self._seed(root, user, password)
        if not isinstance(added, bool):
            raise Fault("the seed function returned neither True nor False")
        return added

    def reset(self, root: Root, user: str, password: str) -> None:
        reset = getattr(self._seed, "reset", None)
        if reset is None:
            raise Fault("the seed function has no reset", "use the application's own tools")
        reset(root, user, password)
