"""Docker 26.1 of Debian 13, started beside this system's Docker, stopped without a trace."""

import os

import pytest

from dockyard.core import paths
from dockyard.engine.docker_26 import Docker26Engine
from tests.support.engines import build_and_explore, left_by, use

pytestmark = [
    pytest.mark.engine,
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="this engine is started as root"),
]


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An empty home, which shares the programs that were fetched before, if any."""
    fetched = paths.home() / "docker-26-programs"
    made = tmp_path / "home"
    made.mkdir()
    if fetched.exists():
        (made / fetched.name).symlink_to(fetched)
    monkeypatch.setenv("DOCKYARD_HOME", str(made))
    return made


def test_it_runs_beside_this_systems_docker_and_leaves_nothing(mirror, home):
    engine = Docker26Engine()
    try:
        address = engine.start(print, mirror=mirror).address
        assert use(address)["Version"].startswith("26.1.")
        # docker save writes an OCI layout since Docker 25.
        assert "oci-layout" in build_and_explore(address)
        bridges = set(engine.bridges())
        assert len(bridges) == 2
        assert left_by(engine, bridges)
    finally:
        engine.stop(print)
    assert left_by(engine, bridges) == []
