"""The recorded digests."""

import stat

import pytest

from dockyard.registry import digests, server
from dockyard.registry.image_catalog import by_reference
from tests.registry.samples import needs_docker_registry

pytestmark = needs_docker_registry
BOX = by_reference()["busybox:latest"]


@pytest.fixture
def file(own, home, store_all):
    store_all(server.storage())
    digests.record(own)
    return home / "registry-digests.json"


def test_all_who_share_the_store_can_read_the_digests_and_only_its_owner_writes_them(file, own):
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    file.chmod(0o600)  # as earlier editions left it
    digests.record(own)
    assert stat.S_IMODE(file.stat().st_mode) == 0o644


@pytest.mark.parametrize("text", ["", "[", "[]", '{"busybox:latest": 1}', "\0" * 100])
def test_a_damaged_file_counts_as_none(file, text):
    file.write_text(text)
    assert digests.load() == {}


def test_what_did_not_change_is_not_written_again(file, own):
    before = file.stat().st_ino
    digests.record(own)
    assert file.stat().st_ino == before


def test_images_that_are_about_to_be_stored_are_forgotten(file):
    before = digests.load()
    digests.forget([BOX])
    assert before.keys() - digests.load().keys() == set(BOX.references)
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
