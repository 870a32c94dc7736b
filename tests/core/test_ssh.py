"""Addresses of daemons on other computers, and what ssh's words mean."""

from __future__ import annotations

import pytest

from dockyard.core import ssh
from dockyard.exceptions import UsageError


@pytest.mark.parametrize(
    ("address", "end"),
    [
        ("ssh://Alias", "-- Alias docker system dial-stdio"),
        ("ssh://me@host:2222", "-l me -p 2222 -- host docker system dial-stdio"),
        ("ssh://me@[fd00::1]", "-l me -- fd00::1 docker system dial-stdio"),
        (
            "ssh://host/run/a b.sock",
            "-- host docker --host 'unix:///run/a b.sock' system dial-stdio",
        ),
    ],
)
def test_an_address_becomes_the_command_that_docker_uses(address, end):
    assert " ".join(ssh.command(address)).endswith(f" {end}")


@pytest.mark.parametrize(
    "address",
    ["ssh://", "ssh://host:port", "ssh://host:99999", "ssh://me:word@host", "ssh://host?x=1"],
)
def test_what_is_no_address_is_refused(address):
    with pytest.raises(UsageError):
        ssh.command(address)


def test_a_computer_that_does_not_exist_is_named():
    with pytest.raises(OSError, match=r"there is no computer called nobody\.invalid"):
        ssh.get("ssh://nobody.invalid", "/version", 60)


def test_unknown_words_of_ssh_are_handed_on():
    said = "Warning: something\nconnect to host h port 22: Connection refused\n\n"
    assert ssh.explain(said, "ssh://h") == "connect to host h port 22: Connection refused"
    assert ssh.explain("", "ssh://h") == ""
