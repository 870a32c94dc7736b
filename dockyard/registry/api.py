"""A registry over HTTP, as the OCI Distribution Specification describes it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field

import requests

from dockyard.exceptions import RegistryError

INDEXES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
MANIFESTS = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
CHUNK = 1 << 20

_session = requests.Session()
# The registry is on loopback; a proxy of the environment could not reach it.
_session.trust_env = False


@dataclass(frozen=True)
class Manifest:
    """A manifest or index: its exact bytes, what they are and what they are called."""

    content: bytes
    media_type: str
    digest: str
    document: dict = field(repr=False)

    @property
    def is_index(self) -> bool:
        """Whether it lists one manifest a platform."""
        return self.media_type in INDEXES

    def children(self) -> list[str]:
        """The digests of the manifests an index lists."""
        return [entry["digest"] for entry in self.document.get("manifests", [])]

    def blobs(self) -> list[dict]:
        """The descriptors of config and layers: ``digest``, ``size``, ``mediaType``."""
        if self.is_index:
            return []
        return [self.document["config"], *self.document["layers"]]


@dataclass(frozen=True)
class Registry:
    """A registry without a password, reached at url (``http://127.0.0.1:PORT``)."""

    url: str

    @property
    def address(self) -> str:
        """Host and port, as they stand in an image's name."""
        return self.url.partition("://")[2]

    def answers(self) -> bool:
        """Whether ``GET /v2/`` is answered with 200."""
        try:
            return _session.get(f"{self.url}/v2/", timeout=2).status_code == 200
        except requests.RequestException:
            return False

    def manifest(self, repository: str, reference: str) -> Manifest | None:
        """The manifest of a tag or digest, or None when there is none."""
        answer = self._ask(
            "GET",
            f"{self.url}/v2/{repository}/manifests/{reference}",
            headers={"Accept": ", ".join(INDEXES + MANIFESTS)},
        )
        if answer.status_code == 404:
            return None
        self._check(answer)
        digest = "sha256:" + hashlib.sha256(answer.content).hexdigest()
        return Manifest(answer.content, answer.headers["Content-Type"], digest, answer.json())

    def put_manifest(self, repository: str, reference: str, manifest: Manifest) -> None:
        """Store a manifest under a tag or its digest."""
        self._check(
            self._ask(
                "PUT",
                f"{self.url}/v2/{repository}/manifests/{reference}",
                headers={"Content-Type": manifest.media_type},
                data=manifest.content,
            )
        )

    def blob_size(self, repository: str, digest: str) -> int | None:
        """How many bytes a blob has, or None when it is not there."""
        answer = self._ask("HEAD", f"{self.url}/v2/{repository}/blobs/{digest}")
        return int(answer.headers["Content-Length"]) if answer.status_code == 200 else None

    def blob(self, repository: str, digest: str) -> Iterator[bytes]:
        """The bytes of a blob, in pieces of at most 1 MiB."""
        answer = self._ask("GET", f"{self.url}/v2/{repository}/blobs/{digest}", stream=True)
        self._check(answer)
        try:
            with answer:
                yield from answer.iter_content(CHUNK)
        except requests.RequestException as error:
            raise RegistryError(
                f"The blob {digest[:19]}… ended too early.",
                str(error)[:200],
                "Look for damage:  python3 -m dockyard registry verify",
            ) from None

    def put_blob(self, repository: str, digest: str, content: Iterator[bytes]) -> None:
        """Store a blob; the registry refuses it when the digest does not fit."""
        begun = self._ask("POST", f"{self.url}/v2/{repository}/blobs/uploads/")
        self._check(begun)
        done = self._ask(
            "PUT",
            begun.headers["Location"],
            params={"digest": digest},
            data=content,
            headers={"Content-Type": "application/octet-stream"},
        )
        self._check(done)

    def _ask(self, method: str, address: str, **options) -> requests.Response:
        try:
            return _session.request(method, address, timeout=300, **options)
        except requests.RequestException as error:
            raise RegistryError(
                f"The registry {self.url} did not answer.",
                str(error).splitlines()[0][:200],
                "Start it again:  python3 -m dockyard engine start",
            ) from None

    def _check(self, answer: requests.Response) -> None:
        if answer.status_code >= 400:
            raise RegistryError(
                f"The registry refused {answer.request.method} {answer.request.path_url}.",
                f'Status {answer.status_code}: "{answer.text[:200].strip()}"',
                "Check the free space on the disk, then:  python3 -m dockyard registry verify",
            )
