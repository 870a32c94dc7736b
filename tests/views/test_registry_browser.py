"""The registry browser, on the course's own registry."""

import hashlib
import json

import pytest
import requests

from dockyard import views
from dockyard.core import ports
from dockyard.engine import engine_root
from dockyard.exceptions import UsageError
from tests.support.registry_process import RegistryProcess

pytestmark = pytest.mark.engine

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
STATEMENT = "application/vnd.in-toto+json"


@pytest.fixture
def registry(tmp_path):
    if engine_root.program("docker-registry") is None:
        pytest.skip("needs the program docker-registry")
    running = RegistryProcess(tmp_path)
    yield f"http://{running.address}/v2/built"
    running.stop()


def put(url, document, type=""):
    """Put JSON into a registry, as a manifest or a blob; return its descriptor."""
    content = json.dumps(document).encode()
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    if type in (MANIFEST, INDEX):
        answer = requests.put(f"{url}/manifests/{digest}", content, headers={"Content-Type": type})
    else:
        where = requests.post(f"{url}/blobs/uploads/").headers["Location"]
        answer = requests.put(where, content, params={"digest": digest})
    answer.raise_for_status()
    return {"mediaType": type, "digest": digest, "size": len(content)}


def test_an_attestation_is_not_a_platform_and_its_documents_can_be_read(registry):
    config = put(registry, {"os": "linux"}, "application/vnd.oci.image.config.v1+json")
    statement = put(registry, {"predicateType": "https://slsa.dev/provenance/v0.2"}, STATEMENT)
    kinds = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config}
    image = put(registry, {**kinds, "layers": []}, MANIFEST)
    about = put(registry, {**kinds, "layers": [statement]}, MANIFEST)
    index = {
        "schemaVersion": 2,
        "mediaType": INDEX,
        "manifests": [
            {**image, "platform": {"os": "linux", "architecture": "amd64"}},
            {
                **about,
                "platform": {"os": "unknown", "architecture": "unknown"},
                "annotations": {"vnd.docker.reference.type": "attestation-manifest"},
            },
        ],
    }
    requests.put(
        f"{registry}/manifests/1", json.dumps(index), headers={"Content-Type": INDEX}
    ).raise_for_status()

    browser = views.registry_browser(registry.split("/")[2])
    browser.browse("built:1")
    assert "built:1: an index of 1 platform and 1 attestation" in browser.words()
    assert "platforms: linux/amd64" in browser.words()
    assert "unknown" not in browser.words()
    browser.browse(f"built:{about['digest']}")
    assert browser.manifest["about"] == "a manifest of a configuration and 1 document"
    browser.open_blob(statement["digest"])
    assert any("slsa.dev/provenance" in line for line in browser.blob["lines"])


def test_it_leads_from_the_catalog_to_the_files_of_a_layer():
    browser = views.registry_browser()
    browser.browse("library/busybox:latest")
    assert "library/hello-world" in browser.repositories
    assert "latest" in browser.tags
    config, *layers = browser.manifest["parts"]
    if browser.manifest["kind"] == "index":
        browser.browse(f"library/busybox:{config['digest']}")
        config, *layers = browser.manifest["parts"]
    assert config["kind"] == "configuration"
    browser.open_blob(layers[0]["digest"])
    assert any(line.endswith("bin/busybox") for line in browser.blob["lines"])


def test_the_stored_picture_lists_the_catalog():
    data, _ = views.registry_browser()._repr_mimebundle_()
    assert "library/busybox" in data["text/plain"]
    assert "library/busybox" in data["image/svg+xml"]


def test_an_unknown_repository_is_refused_with_a_list_of_the_others():
    with pytest.raises(UsageError, match="no repository 'nobody/nothing'") as caught:
        views.registry_browser().browse("nobody/nothing")
    assert "library/busybox" in caught.value.next


def test_a_registry_that_does_not_answer_is_shown_with_the_reason():
    browser = views.registry_browser(f"127.0.0.1:{ports.choose()}")
    browser._repr_mimebundle_()
    assert browser.complaint
