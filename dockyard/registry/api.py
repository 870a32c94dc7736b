"""A registry over HTTP, as the OCI Distribution Specification describes it."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar

import msgspec
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
# The registry is on loopback, where a proxy from the environment cannot reach it.
_session.trust_env = False


class Descriptor(msgspec.Struct, rename="camel", frozen=True):
    """A reference to a manifest or blob (OCI Image Specification: Content Descriptors)."""

    media_type: str
    digest: Annotated[str, msgspec.Meta(pattern="^sha256:[0-9a-f]{64}$")]
    size: Annotated[int, msgspec.Meta(ge=0)]
    annotations: dict[str, str] = {}


class _ManifestSchema(msgspec.Struct):
    config: Descriptor
    layers: list[Descriptor]


class IndexSchema(msgspec.Struct):
    """An index: one manifest for each platform, or for each image of an OCI layout."""

    manifests: list[Descriptor]


@dataclass(frozen=True)
class Manifest:
    """A manifest or index: its exact bytes, media type and digest, and the decoded JSON."""

    content: bytes
    media_type: str
    digest: str
    document: dict[str, Any] = field(repr=False)

    @classmethod
    def parse(cls, content: bytes, media_type: str) -> Manifest:
        """Decode a manifest. Raises ValueError when it is not what its media type says."""
        schema = IndexSchema if media_type in INDEXES else _ManifestSchema
        try:
            document = msgspec.json.decode(content)
            msgspec.convert(document, schema)
        except RecursionError:
            raise ValueError("the JSON is nested too deeply") from None
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        return cls(content, media_type, digest, document)

    @property
    def is_index(self) -> bool:
        """Whether it lists manifests for several platforms."""
        return self.media_type in INDEXES

    def children(self) -> list[str]:
        """The digests of the manifests an index lists."""
        return [entry["digest"] for entry in self.document.get("manifests", [])]

    def blobs(self) -> list[dict[str, Any]]:
        """The descriptors of config and layers: ``digest``, ``size``, ``mediaType``."""
        if self.is_index:
            return []
        return [self.document["config"], *self.document["layers"]]


@dataclass(frozen=True)
class Registry:
    """A registry reached at url (``http://127.0.0.1:PORT``), with a password if it wants one."""

    url: str
    password: str = field(default="", repr=False, kw_only=True)

    USER: ClassVar[str] = "dockyard"

    @property
    def address(self) -> str:
        """Host and port, as image names begin."""
        return self.url.partition("://")[2]

    @property
    def credentials(self) -> dict[str, str] | None:
        """Name and password as the Docker Engine API takes them (X-Registry-Auth), or None."""
        return {"username": self.USER, "password": self.password} if self.password else None

    @property
    def authfile(self) -> str:
        """Name and password as the text of a containers-auth.json(5), which skopeo reads."""
        pair = base64.b64encode(f"{self.USER}:{self.password}".encode()).decode()
        return json.dumps({"auths": {self.address: {"auth": pair}} if self.password else {}})

    def answers(self) -> bool:
        """Whether ``GET /v2/`` returns 200."""
        try:
            return self._send("GET", f"{self.url}/v2/", timeout=2).status_code == 200
        except requests.RequestException:
            return False

    def manifest(self, repository: str, reference: str) -> Manifest | None:
        """The manifest of a tag or digest, or None when there is none. Raises RegistryError."""
        answer = self._ask(
            "GET",
            f"{self.url}/v2/{repository}/manifests/{reference}",
            headers={"Accept": ", ".join(INDEXES + MANIFESTS)},
        )
        if answer.status_code == 404:
            return None
        self._check(answer)
        try:
            return Manifest.parse(answer.content, answer.headers["Content-Type"])
        except ValueError as error:
            raise RegistryError(
                f"The manifest {reference} of {repository} is damaged.",
                f"{error}.",
                "If it is one of the course registry, repair it:  "
                "python3 -m dockyard registry fill",
            ) from None

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
        """The size of a blob in bytes, or None when there is none."""
        answer = self._ask("HEAD", f"{self.url}/v2/{repository}/blobs/{digest}")
        return int(answer.headers["Content-Length"]) if answer.status_code == 200 else None

    def blob(self, repository: str, digest: str) -> Iterator[bytes]:
        """The bytes of a blob, in pieces of at most 1 MiB. Raises RegistryError."""
        answer = self._ask("GET", f"{self.url}/v2/{repository}/blobs/{digest}", stream=True)
        self._check(answer)
        try:
            with answer:
                yield from answer.iter_content(CHUNK)
        except requests.RequestException as error:
            raise RegistryError(
                f"The blob {digest[:19]}… could not be read to its end.",
                str(error)[:200],
                "Check the registry:  python3 -m dockyard registry verify",
            ) from None

    def put_blob(self, repository: str, digest: str, content: Iterator[bytes]) -> None:
        """Store a blob. Raises RegistryError when its content does not have this digest."""
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

    def mount_blob(self, repository: str, digest: str, source: str) -> None:
        """Give a repository a blob that the repository source has. Raises RegistryError."""
        answer = self._ask(
            "POST",
            f"{self.url}/v2/{repository}/blobs/uploads/",
            params={"mount": digest, "from": source},
        )
        self._check(answer)
        if answer.status_code != 201:  # the registry has begun an upload instead
            self.put_blob(repository, digest, self.blob(source, digest))

    def _ask(self, method: str, address: str, **options: Any) -> requests.Response:
        try:
            return self._send(method, address, timeout=300, **options)
        except requests.RequestException as error:
            raise RegistryError(
                f"The registry {self.url} did not answer.",
                str(error).splitlines()[0][:200],
                "Start it again:  python3 -m dockyard engine start",
            ) from None

    def _send(self, method: str, address: str, **options: Any) -> requests.Response:
        login = (self.USER, self.password) if self.password else None
        return _session.request(method, address, auth=login, **options)

    def _check(self, answer: requests.Response) -> None:
        if answer.status_code >= 400:
            raise RegistryError(
                f"The registry refused {answer.request.method} {answer.request.path_url}.",
                f'Status {answer.status_code}: "{answer.text[:200].strip()}"',
                "Check the free space on the disk, then:  python3 -m dockyard registry verify",
            )
