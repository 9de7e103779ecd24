"""``python run.py``: the package beside this file, whatever Python's path says."""

import sys

from zeoclient.__main__ import main

if __name__ == "__main__":
    sys.exit(main())
