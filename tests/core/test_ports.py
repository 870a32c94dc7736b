"""Free ports on loopback."""

import socket

from dockyard.core import ports


def test_a_port_with_a_listener_is_not_free_and_not_chosen():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert not ports.is_free(port)
        assert not ports.refuses(port)
        assert ports.choose(0, port) not in (0, port)
    assert ports.is_free(port)
    assert ports.refuses(port)


def test_the_first_preferred_port_that_is_free_is_chosen():
    port = ports.choose()
    assert ports.choose(0, port, port + 1) == port
