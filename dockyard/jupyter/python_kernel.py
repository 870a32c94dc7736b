"""``python3 -m dockyard.jupyter.python_kernel``: IPython's kernel without its debugger.

A kernel loads it when it starts, which takes 20 MiB of 65 and a third of the time (``python3 -m
benchmarks cell``). Lessons do not use it, and many pages can be open on a small computer.
"""

from __future__ import annotations

import sys
from pathlib import Path


def main() -> None:
    """Be the kernel that the connection file in the arguments describes."""
    # As ipykernel_launcher does: a file of the learner's is not taken for one of its modules.
    if sys.path[0] == "" or Path(sys.path[0]) == Path.cwd():
        del sys.path[0]
    # ipykernel looks for the debugger while this is imported, and not again.
    sys.modules["debugpy"] = None  # type: ignore[assignment]
    import ipykernel.debugger  # noqa: F401

    del sys.modules["debugpy"]
    from ipykernel import kernelapp

    kernelapp.launch_new_instance()


if __name__ == "__main__":
    main()
