"""Runs the commands of ``!`` lines through pipes.

IPython uses a pseudo-terminal: 0.11 s slower, with progress bars and CR LF in stored outputs,
and it turns ``{{.Names}}`` into ``{.Names}``. Here the shell gets the text as typed, standard
output and error are merged in the order of writing, escape sequences are removed, and a command
that fails ends with a line that shows its exit code.
"""

from __future__ import annotations

import codecs
import os
import re
import signal
import subprocess
import sys

# Some programs move the cursor even without a terminal (ECMA-48, control sequences).
ESCAPE = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
PARTIAL = re.compile(r"\x1b(?:\[[0-?]*[ -/]*)?$")
SHELL = "/bin/bash" if os.path.exists("/bin/bash") else "/bin/sh"


def run(command: str) -> int:
    """Run a shell command, stream its output to sys.stdout, return its exit code.

    Passes Ctrl-C ("interrupt kernel") on to the command. Prints ``[exit code N]`` on failure;
    N is 128 + signal when a signal killed the command, as in the shell.
    """
    child = subprocess.Popen(
        [SHELL, "-c", command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    assert child.stdout  # a pipe
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
    # Incremental: a read may end within a character or an escape sequence.
    decode = codecs.getincrementaldecoder("utf-8")(errors="replace").decode
    held = ""
    while chunk := os.read(descriptor, 65536):
        text = ESCAPE.sub("", held + decode(chunk))
        held = found[0] if (found := PARTIAL.search(text)) else ""
        sys.stdout.write(text.removesuffix(held))
        sys.stdout.flush()
    sys.stdout.write(held)
