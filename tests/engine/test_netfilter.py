"""Bridges, packet filter rules and mounts of private daemons."""

import json
import os

import pytest

from dockyard.engine import debian_archive, netfilter
from tests.support import homes


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts file systems")
def test_everything_below_a_folder_of_any_name_is_unmounted(tmp_path):
    inside = tmp_path / "josé ß \\ 本" / "inside"
    beside = tmp_path / "jose"
    for folder in (inside, beside):
        folder.mkdir(parents=True)
        netfilter.run("mount", "-t", "tmpfs", "none", str(folder))
    try:
        netfilter.unmount_below(inside.parent)
        assert (inside.is_mount(), beside.is_mount()) == (False, True)
    finally:
        netfilter.unmount_below(tmp_path)
    assert not beside.is_mount()


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="mounts file systems")
@pytest.mark.skipif(not debian_archive.can_extract(), reason="needs apt-get and Debian's keys")
def test_the_engine_roots_programs_are_used_if_the_host_has_none(tmp_path, monkeypatch):
    homes.give_engine_root(tmp_path)
    monkeypatch.setenv("DOCKYARD_HOME", str(tmp_path))
    bridges = netfilter.bridges()
    monkeypatch.setattr(netfilter, "which", lambda program: None)
    (loopback,) = json.loads(netfilter.run("ip", "-json", "link", "show", "dev", "lo"))
    assert loopback["ifname"] == "lo"
    assert netfilter.bridges() == bridges
    assert netfilter.run("iptables", "--version").startswith("iptables v")
    assert netfilter.run("no-such-program") == ""
