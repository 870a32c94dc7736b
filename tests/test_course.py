"""What the course tells shells and kernels about the engine that runs."""

import pytest

from dockyard import course


@pytest.fixture
def mirror(tmp_path, monkeypatch):
    """A function from the mirror's address to the value of DOCKYARD_MIRROR."""
    monkeypatch.setenv("DOCKYARD_HOME", str(tmp_path))

    def options(address):
        course.State("local", inner_mirror=address).save()
        return course.environment()["DOCKYARD_MIRROR"]

    return options


def test_an_engine_inside_a_container_gets_the_mirror_and_nothing_else(mirror):
    assert mirror("http://10.193.0.1:5050") == "--registry-mirror=http://10.193.0.1:5050"
    assert mirror("") == ""


def test_an_engine_inside_a_container_never_gives_itself_the_address_of_the_mirror(mirror):
    """Docker's own docker0 is 172.17.0.1 inside a container, too."""
    assert mirror("http://172.17.0.1:5050").split() == [
        "--registry-mirror=http://172.17.0.1:5050",
        "--default-address-pool=base=198.18.0.0/16,size=24",
    ]
