"""A store that several homes of one computer share: who looks after it fills it, all others read.

See paths.store(). Nothing of a learner's is in it, and nothing in it is a secret.
"""

from __future__ import annotations

import os

from dockyard.core import paths
from dockyard.exceptions import StoreIncomplete


def is_shared() -> bool:
    """Whether other homes may be using this home's store."""
    return paths.store() != paths.home()


def is_writable() -> bool:
    """Whether this user may add to the store; true where the store can still be made."""
    existing = next(folder for folder in (paths.store(), *paths.store().parents) if folder.exists())
    return os.access(existing, os.W_OK)


def require_writable(what: str) -> None:
    """Raise StoreIncomplete when what is missing can be added by somebody else only."""
    if is_shared() and not is_writable():
        raise StoreIncomplete(what, paths.store())
