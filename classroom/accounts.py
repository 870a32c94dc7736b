"""The system users to whom the rooms belong.

A name at the hub is anybody's choice where students sign up themselves. It becomes the name of a
system user with a prefix, so that nobody can be ``root`` or a daemon. Without a prefix, students
have accounts on the server, which are used as they are. Standard library only.
"""

from __future__ import annotations

import hashlib
import os
import pwd
import re
import subprocess

LONGEST = 31
"""The most characters of a user name that all tools take (useradd(8))."""

FIRST_UID = 1000
"""The lowest user id of a person."""


def name(student: str, prefix: str) -> str:
    """The name of a student's system user: always the same for a student, never that of another.

    A name that cannot be a user's, or that would be changed or cut, gets a part of its hash.
    Without a prefix it is the student's name as it is.
    """
    if not prefix:
        return student
    plain = re.sub(r"[^a-z0-9-]", "-", student.lower())
    if plain == student and len(prefix + plain) <= LONGEST:
        return prefix + plain
    # No name that stays as it is ends like this: underscores are replaced.
    mark = "_" + hashlib.sha256(student.encode()).hexdigest()[:8]
    return (prefix + plain)[: LONGEST - len(mark)] + mark


class NoAccount(Exception):
    """A student who cannot have a room; the hub shows jupyterhub_message to the student."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.jupyterhub_message = f"{reason} Please tell your teacher."


def ensure(account: str) -> pwd.struct_passwd:
    """The user, made if it is missing; only the user may enter the home.

    Raises CalledProcessError, or NoAccount for a user that is no person's.
    """
    try:
        pwd.getpwnam(account)
    except KeyError:
        # Without a password: nobody can log in to the server itself.
        words = ["useradd", "--create-home", "--key", "HOME_MODE=0700", "--shell", "/bin/bash"]
        subprocess.run([*words, account], check=True, stdin=subprocess.DEVNULL)
    found = existing(account)
    os.chmod(found.pw_dir, 0o700)
    return found


def existing(account: str) -> pwd.struct_passwd:
    """The user, whose home stays as it is.

    Raises NoAccount for one that is missing or no person's.
    """
    try:
        found = pwd.getpwnam(account)
    except KeyError:
        raise NoAccount(f"This server has no account “{account}”.") from None
    if found.pw_uid < FIRST_UID:
        raise NoAccount(f"“{account}” is a user of the system and gets no room.")
    return found
