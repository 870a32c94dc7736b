"""``editors``: makes the course's kernel known to editors and to other Jupyters of this user."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from jupyter_client.kernelspec import KernelSpecManager

from dockyard.core import docker_client, paths
from dockyard.exceptions import UnwritableFolder, UsageError

NAME = "dockyard"


def run(options: argparse.Namespace) -> int:
    """Install or remove the kernel; return 0. Raises UnwritableFolder or UsageError."""
    return _remove() if options.remove else _install()


def _install() -> int:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "kernel.json").write_text(json.dumps(_specification(), indent=1))
        manager = KernelSpecManager()
        try:
            place = manager.install_kernel_spec(folder, NAME, user=True)
        except OSError as error:
            raise UnwritableFolder(
                manager.user_kernel_dir,
                f"{error.strerror}.",
                "Or open the course in a browser:  python3 -m dockyard learn",
            ) from None
    print(
        f"Editors find the kernel “Dockyard” now; it is described in {place}.\n"
        "Start the engine for it:  python3 -m dockyard engine start\n"
        "Take the kernel away again:  python3 -m dockyard editors --remove"
    )
    return 0


def _remove() -> int:
    try:
        place = KernelSpecManager().remove_kernel_spec(NAME)
    except KeyError:
        raise UsageError(
            "Editors do not know the kernel “Dockyard”.",
            next="Let them know it:  python3 -m dockyard editors",
        ) from None
    print(f"Removed {place}.")
    return 0


def _specification() -> dict[str, Any]:
    """The kernel as Jupyter describes it ("Kernel specs" in the manual of jupyter-client).

    ``docker`` uses the course's engine there even before ``%load_ext dockyard``.
    """
    environment = docker_client.environment()
    environment.pop("PATH", None)  # the editor's own; the extension adds to it
    return {
        "argv": [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "display_name": "Dockyard",
        "language": "python",
        # Clients take an empty value for none.
        "env": environment | dict.fromkeys(docker_client.UNSET, ""),
        "metadata": {"debugger": True, "dockyard": str(paths.CHECKOUT)},
    }
