"""Runs JupyterLab for ``learn``: imported while the engine still starts, served once it has.

``python -m dockyard.commands.jupyterlab DESCRIPTOR ARGUMENTS``. Importing JupyterLab takes most of
the time that it needs to start. Its environment comes as JSON through the pipe
DESCRIPTOR, because it is known only once the course runs.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence

from dockyard.core import paths


class JupyterLab:
    """A JupyterLab that has begun to start and waits for the word."""

    def __init__(self) -> None:
        ear, self._mouth = os.pipe()
        self._ear = ear
        self._process: subprocess.Popen[bytes] | None = None

    def prepare(self, arguments: Sequence[str]) -> None:
        """Begin to start it. Raises OSError."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "dockyard.commands.jupyterlab", str(self._ear), *arguments],
            cwd=paths.CHECKOUT,
            pass_fds=[self._ear],
        )

    def serve(self, environment: Mapping[str, str]) -> int:
        """Let it serve with this environment; return its exit code when it ends."""
        assert self._process
        with os.fdopen(self._mouth, "w") as mouth:
            json.dump(dict(environment), mouth)
        try:
            return self._process.wait()
        except KeyboardInterrupt:
            self._process.terminate()
            return 0 if self._process.wait() in (0, -15) else 1
        finally:
            os.close(self._ear)

    def give_up(self) -> None:
        """End it unserved: the course did not start."""
        os.close(self._mouth)
        os.close(self._ear)
        if self._process:
            self._process.wait()


def main(descriptor: int, arguments: list[str]) -> int:
    """Import JupyterLab, wait for its environment, run it; 1 when there will be none."""
    try:
        import jupyter_server_proxy  # noqa: F401 - an extension, which JupyterLab loads later
        from jupyterlab import labapp

        with os.fdopen(descriptor) as ear:
            word = ear.read()
    except KeyboardInterrupt:
        return 130
    if not word:
        return 1
    os.environ.clear()
    os.environ.update(json.loads(word))
    return labapp.main(arguments) or 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
