"""Runs JupyterLab for ``learn``: imports it while the engine starts, and serves when it runs.

``python -m dockyard.commands.jupyterlab DESCRIPTOR ARGUMENTS``. Most of JupyterLab's start is
importing it. Its environment is only known once the course runs; it is read as JSON from the pipe
DESCRIPTOR.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence

from dockyard.core import paths


class JupyterLab:
    """A JupyterLab process that waits for its environment before it serves."""

    def __init__(self) -> None:
        self._read_end, self._write_end = os.pipe()
        self._process: subprocess.Popen[bytes] | None = None

    def prepare(self, arguments: Sequence[str]) -> None:
        """Start the process. Raises OSError."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "dockyard.commands.jupyterlab", str(self._read_end), *arguments],
            cwd=paths.CHECKOUT,
            pass_fds=[self._read_end],
        )

    def serve(self, environment: Mapping[str, str]) -> int:
        """Let it serve with this environment; return its exit code when it exits."""
        assert self._process
        with os.fdopen(self._write_end, "w") as pipe:
            json.dump(dict(environment), pipe)
        try:
            return self._process.wait()
        except KeyboardInterrupt:
            self._process.terminate()
            return 0 if self._process.wait() in (0, -15) else 1
        finally:
            os.close(self._read_end)

    def give_up(self) -> None:
        """Let the process exit, because the course did not start."""
        os.close(self._write_end)
        os.close(self._read_end)
        if self._process:
            self._process.wait()


def main(descriptor: int, arguments: list[str]) -> int:
    """Import JupyterLab, wait for its environment and run it; return 1 when none arrives."""
    try:
        # JupyterLab loads this extension later; neither package has types.
        import jupyter_server_proxy  # type: ignore[import-untyped]  # noqa: F401
        from jupyterlab import labapp  # type: ignore[import-untyped]

        with os.fdopen(descriptor) as pipe:
            environment = pipe.read()
    except KeyboardInterrupt:
        return 130
    if not environment:
        return 1
    os.environ.clear()
    os.environ.update(json.loads(environment))
    return labapp.main(arguments) or 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
