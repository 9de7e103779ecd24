"""``python -m notes``: the same as the ``notes`` command."""

import sys

from notes.command import main

sys.exit(main())
