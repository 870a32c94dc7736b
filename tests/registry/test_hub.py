"""Copying images from Docker Hub, whose place the course registry takes."""

import pytest

from dockyard.engine import engine_root
from dockyard.registry import hub, server
from dockyard.registry.image_catalog import by_reference
from tests.registry.containers import everything
from tests.registry.samples import say

pytestmark = pytest.mark.engine
BOX = by_reference()["busybox:latest"]


def test_without_skopeo_the_engine_copies_and_keeps_nothing(engine, filled, home, monkeypatch):
    server.start(say)
    before = everything(engine)
    monkeypatch.setenv("DOCKYARD_HUB", filled.url)
    with server.writer() as writer:
        with monkeypatch.context() as without_skopeo:
            without_skopeo.setattr(engine_root, "program", lambda *_: None)
            assert hub.copy_all(writer, engine, [BOX], say, all_platforms=False, only=True) == []
        for tag in BOX.tags:
            copied, original = (reg.manifest(BOX.repository, tag) for reg in (writer, filled))
            assert copied.document["config"]["digest"] == original.document["config"]["digest"]
    assert everything(engine) == before
