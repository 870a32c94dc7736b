"""The registry browser, on the course's own registry."""

import pytest

from dockyard import views
from dockyard.core import ports
from dockyard.exceptions import UsageError

pytestmark = pytest.mark.engine


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
