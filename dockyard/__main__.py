"""``python3 -m dockyard``: works from a fresh clone with nothing but Python.

This file and dockyard/__init__.py must parse on old Pythons, in order to say politely that
they are too old.
"""

import sys

if sys.version_info < (3, 11):
    sys.stderr.write(
        "Dockyard needs Python 3.11 or newer; this is Python %d.%d.\n"
        "Install a newer one (Debian, Ubuntu: apt-get install python3), then type:\n"
        "python3 -m dockyard learn\n" % sys.version_info[:2]
    )
    sys.exit(1)

from dockyard.bootstrap import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
