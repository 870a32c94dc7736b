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
            return requests.get(f"{self.url}/v2/", timeout=2).status_code == 200
        except requests.RequestException:
            return False

    def manifest(self, repository: str, reference: str) -> Manifest | None:
        """The manifest of a tag or digest, or None when there is none."""
        answer = self._ask(
            "GET",
            f"{repository}/manifests/{reference}",
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
                f"{repository}/manifests/{reference}",
                headers={"Content-Type": manifest.media_type},
                data=manifest.content,
            )
        )

    def has_blob(self, repository: str, digest: str) -> bool:
        """Whether a blob is there."""
        return self._ask("HEAD", f"{repository}/blobs/{digest}").status_code == 200

    def blob(self, repository: str, digest: str) -> Iterator[bytes]:
        """The bytes of a blob, in pieces of at most 1 MiB."""
        answer = self._ask("GET", f"{repository}/blobs/{digest}", stream=True)
        self._check(answer)
        with answer:
            yield from answer.iter_content(CHUNK)

    def put_blob(self, repository: str, digest: str, content: Iterator[bytes]) -> None:
        """Store a blob; the registry refuses it when the digest does not fit."""
        begun = self._ask("POST", f"{repository}/blobs/uploads/")
        self._check(begun)
        done = requests.put(
            begun.headers["Location"],
            params={"digest": digest},
            data=content,
            headers={"Content-Type": "application/octet-stream"},
            timeout=600,
        )
        self._check(done)

    def _ask(self, method: str, path: str, **options) -> requests.Response:
        try:
            return requests.request(method, f"{self.url}/v2/{path}", timeout=60, **options)
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
