"""The Docker SDK's clients for the endpoints of daemons."""

from __future__ import annotations

from typing import Any

import docker
import requests
from docker.errors import DockerException
from docker.tls import TLSConfig
from requests.adapters import HTTPAdapter

from dockyard.core.tls_context import trusting
from dockyard.engine.base import Endpoint
from dockyard.exceptions import UsageError

UNREACHABLE = (DockerException, requests.RequestException, OSError, ValueError, UsageError)
"""What a client raises when no daemon answers, or something that is not one."""


class _TrustingAdapter(HTTPAdapter):
    """Accepts the certificates that Docker's documentation has one make."""

    def __init__(self, authority: str | None) -> None:
        self._context = trusting(cafile=authority or None)
        super().__init__()

    def init_poolmanager(
        self, connections: int, maxsize: int, block: bool = False, **options: Any
    ) -> None:
        super().init_poolmanager(connections, maxsize, block, **options, ssl_context=self._context)


class _Certificates(TLSConfig):
    """TLSConfig whose adapter also works with the stricter checks of Python 3.13."""

    def configure_client(self, client: docker.APIClient) -> None:
        super().configure_client(client)
        client.mount("https://", _TrustingAdapter(self.ca_cert))


def client(endpoint: Endpoint, timeout: float) -> docker.DockerClient:
    """A client of the daemon at an endpoint; timeout is in seconds. Raises one of UNREACHABLE."""
    tls = None
    if endpoint.tls_cert:
        tls = _Certificates(
            client_cert=(endpoint.tls_cert, endpoint.tls_key), ca_cert=endpoint.tls_ca, verify=True
        )
    return docker.DockerClient(
        base_url=endpoint.address,
        timeout=timeout,  # type: ignore[arg-type]  # requests accepts fractions of a second
        tls=tls or False,
        version=None,
    )
