"""``python3 -m dockyard``: runs from a fresh clone with nothing but Python.

This file and dockyard/__init__.py must parse on old Pythons, so that they can print which
version is needed.
"""

import os
import sys

if sys.version_info < (3, 11):
    sys.stderr.write(
        "Dockyard needs Python 3.11 or newer; this is Python %d.%d.\n"
        "Install a newer one (Debian, Ubuntu: apt-get install python3), then type:\n"
        "python3 -m dockyard learn\n" % sys.version_info[:2]
    )
    sys.exit(1)

if os.name == "nt":
    sys.stderr.write(
        "On Windows the course runs inside WSL 2, where Docker Desktop's daemon answers as well.\n"
        "Install it once with:  wsl --install\n"
        "Then clone the course there, in the folder ~, and type:  python3 -m dockyard learn\n"
    )
    sys.exit(1)

from dockyard.bootstrap import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
