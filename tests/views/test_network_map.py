"""The network map: the members of networks, and attempted connections."""

import pytest

from dockyard import views
from dockyard.exceptions import UsageError
from dockyard.views.reachability import checked_port, listening

TABLE = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0B00007F:9EBB 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 72 1
   1: 0100007F:0051 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 73 1
   2: 00000000:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 74 1
   3: 0304BA0A:851E 0204BA0A:0052 06 00000000:00000000 03:00001731 00000000     0        0 0 3
  sl  local_address                         remote_address                        st tx_queue
   0: 00000000000000000000000001000000:0053 00000000000000000000000000000000:0000 0A 00000000:0
   1: 00000000000000000000000000000000:0054 00000000000000000000000000000000:0000 0A 00000000:0
"""


def test_open_ports_are_read_from_the_kernels_table():
    everywhere, loopback = listening(TABLE)
    assert everywhere == {80, 84}
    assert loopback == {81, 83, 0x9EBB}


@pytest.mark.parametrize("port", ["0", "65536", "-1", "http", None, "80; reboot"])
def test_anything_but_a_port_is_refused(port):
    with pytest.raises(UsageError):
        checked_port(port)


@pytest.fixture
def network_map(scene):
    """Containers on two networks, on both, on the default bridge and on none."""
    for network in ("front", "back"):
        scene.docker("network", "create", network)
    serve = ("sh", "-c", "httpd -f -p 127.0.0.1:81 & exec httpd -f -p 80")
    scene.run("client", "--network", "front")
    scene.run("store", "--network", "back", "--publish", "127.0.0.1::80", command=serve)
    scene.run("web", "--network", "front")
    scene.docker("network", "connect", "back", "web")
    scene.run("plain", command=("httpd", "-f"))
    scene.run("plain-too")
    scene.run("hermit", "--network", "none")
    scene.docker("create", "--name", "later", "--network", "back", "busybox")
    for name in ("store", "plain"):
        scene.until(f"{name} to listen", lambda name=name: 80 in listening(sockets(scene, name))[0])
    view = views.network_map()
    view._repr_mimebundle_()
    yield view
    view.close()


def sockets(scene, name):
    return scene.docker("exec", name, "cat", "/proc/net/tcp", "/proc/net/tcp6", check=False)


@pytest.mark.engine
@pytest.mark.slow
def test_connections_are_tried_and_explained(network_map, scene):
    def tried(source, target, port=80):
        return network_map.try_connection(source, target, port)

    good = tried("web", "store")
    assert good.works
    assert good.shared == ("back",)
    assert "store listens on port 80" in good.why

    loopback = tried("web", "store", 81)
    assert loopback.by_name == "refused"
    assert "127.0.0.1 only" in loopback.why

    nobody = tried("web", "store", 82)
    assert (nobody.works, nobody.by_name) == (False, "refused")
    assert "nobody in it listens on port 82; it listens on 80." in nobody.why

    apart = tried("client", "store")
    assert (apart.by_name, apart.by_address) == ("not found", "no answer")
    assert "no network in common" in apart.why
    assert apart.next == "docker network connect back client"

    nameless = tried("plain-too", "plain")
    assert (nameless.works, nameless.by_name) == (False, "not found")
    assert nameless.by_address == "connected"
    assert "bridge has no names" in nameless.why

    alone = tried("hermit", "store")
    assert "no network at all" in alone.why
    unborn = tried("web", "later")
    assert (unborn.by_name, unborn.next) == ("not tried", "docker start later")

    # The advice that was given helps.
    scene.docker(*apart.next.split()[1:])
    assert tried("client", "store").works

    assert network_map.attempt["works"] is True
    assert not network_map.trying
    left = scene.docker("ps", "--all", "--quiet", "--filter", "label=dockyard.view")
    assert left == ""


@pytest.mark.engine
def test_the_map_shows_the_members_of_networks_and_follows_changes(network_map, scene):
    assert network_map.words().splitlines()[1:6] == [
        "back: later, store, web",
        "bridge: plain, plain-too",
        "front: client, web",
        "none: hermit",
        f"store: {scene.docker('port', 'store', '80')} → 80/tcp",
    ]
    (store,) = [each for each in network_map.containers if each["name"] == "store"]
    asked = scene.docker(
        "inspect", "store", "--format", "{{.NetworkSettings.Networks.back.IPAddress}}"
    )
    assert store["networks"] == {"back": asked}
    assert asked in network_map.picture

    scene.docker("network", "connect", "front", "store")
    scene.until("store to be in front", lambda: "front: client, store, web" in network_map.words())
    scene.until(
        "the announcement", lambda: "store is in the network front." in network_map.announcements
    )
    scene.docker("network", "disconnect", "front", "web")
    scene.until("web to be out", lambda: "front: client, store" in network_map.words().splitlines())
    scene.docker("kill", "client")
    scene.until(
        "client's end", lambda: "client is out of the network front." in network_map.announcements
    )


@pytest.mark.engine
def test_an_unknown_container_is_refused_with_the_next_step(scene):
    scene.run("web")
    view = views.network_map()
    try:
        view._repr_mimebundle_()
        with pytest.raises(UsageError, match="no container 'nobody'") as refused:
            view.try_connection("web", "nobody")
        assert "web" in refused.value.next
        view.on_message({"try": ["web", "nobody", "80"]})
        scene.until("the complaint", lambda: "no container 'nobody'" in view.complaint)
    finally:
        view.close()
