"""``python3 -m dockyard.engine.root_release FOLDER --url URL``: the engine root for a release."""

from __future__ import annotations

import argparse
import platform
import sys
import tempfile
from pathlib import Path

from dockyard.core import console
from dockyard.engine import engine_root, root_archive
from dockyard.exceptions import DockyardError


def main() -> int:
    """Make the archive of this architecture from Debian's packages, and note it in the table."""
    parser = argparse.ArgumentParser(prog="python3 -m dockyard.engine.root_release")
    parser.add_argument("folder", type=Path, help="where to write the archive")
    parser.add_argument("--url", required=True, help="the folder of the release's files")
    options = parser.parse_args()
    recipe = engine_root.recipe()
    archive = options.folder / f"engine-root-{recipe}.tar.xz"
    options.folder.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryDirectory(dir=options.folder) as scratch:
            tree = Path(scratch, "root")
            tree.mkdir()
            engine_root.make(tree, console.say)
            console.say(f"writing {archive}")
            root_archive.write(tree, archive)
    except DockyardError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    root_archive.note(engine_root.TABLE, platform.machine(), options.url, recipe, archive)
    print(f"{archive.stat().st_size / 1e6:.0f} MB  {archive}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
