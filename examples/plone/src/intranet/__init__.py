"""What a Plone site on a ZEO server needs beside Plone: its creation and its migration."""
