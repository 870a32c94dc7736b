"""Where mmdebstrap runs."""

import os

from dockyard.engine import system_packages
from dockyard.registry.offline.mmdebstrap import host_can


def test_a_host_without_mmdebstrap_cannot_make_images_by_itself(monkeypatch, tmp_path):
    monkeypatch.setattr(system_packages, "SEARCH", str(tmp_path))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert host_can.__wrapped__() is False
