"""Running the commands of ``!`` lines through pipes.

IPython runs them in a pseudo-terminal: 0.11 s slower, with progress bars and CR LF in the
stored output, and it turns ``{{.Names}}`` into ``{.Names}``. Here the text goes to the shell as
typed, standard output and error arrive in the order in which they were written, escape
sequences are left out, and a command that fails says so in a line of its own.
"""

from __future__ import annotations

import codecs
import os
import re
import signal
import subprocess
import sys

# Some programs move the cursor although nobody is at a terminal (ECMA-48, control sequences).
ESCAPE = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
PARTIAL = re.compile(r"\x1b(?:\[[0-?]*[ -/]*)?$")
SHELL = "/bin/bash" if os.path.exists("/bin/bash") else "/bin/sh"


def run(command: str) -> int:
    """Run a shell command, its output streamed to sys.stdout; return its exit code.

    Ctrl-C (or "interrupt kernel") is passed on to the command. A failure is shown as
    ``[exit code N]``, a death by signal as the shell would number it (128 + signal).
    """
    child = subprocess.Popen(
        [SHELL, "-c", command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    while True:
        try:
            _copy(child.stdout.fileno())
            code = child.wait()
            break
        except KeyboardInterrupt:
            os.killpg(child.pid, signal.SIGINT)
    child.stdout.close()
    if code < 0:
        code = 128 - code
    if code:
        print(f"[exit code {code}]")
    return code


def _copy(descriptor: int) -> None:
    # Incremental, because a character or an escape sequence may be cut in two by the pipe.
    decode = codecs.getincrementaldecoder("utf-8")(errors="replace").decode
    held = ""
    while chunk := os.read(descriptor, 65536):
        text = ESCAPE.sub("", held + decode(chunk))
        held = found[0] if (found := PARTIAL.search(text)) else ""
        sys.stdout.write(text.removesuffix(held))
        sys.stdout.flush()
    sys.stdout.write(held)
