"""Which permissions the files have that a learner makes on the course's pages."""

from __future__ import annotations

import os


def let_containers_read() -> None:
    """Let all users read what this process and those that it starts make from now on.

    A program in a container is often another user than the learner, and ``docker cp``, ``COPY`` and
    bind mounts keep a file's mode: with a umask of 077 a web server could not read its page.
    """
    before = os.umask(0o022)
    os.umask(before & 0o022)
