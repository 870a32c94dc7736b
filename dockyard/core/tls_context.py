"""Whom the course believes in TLS. Standard library only: the front door uses it too."""

from __future__ import annotations

import ssl
from typing import Any


def trusting(**authority: Any) -> ssl.SSLContext:
    """A client's side of TLS that trusts this authority alone; arguments as for ssl."""
    trust = ssl.create_default_context(**authority)
    # Python 3.13 asks more of a certificate than Docker and openssl put into one.
    trust.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return trust
