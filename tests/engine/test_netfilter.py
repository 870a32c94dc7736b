"""The packet filter rules of the embedded engine and of other daemons."""

import json
import os
import subprocess
import sys
import textwrap

import pytest

from dockyard.core import paths
from dockyard.engine import netfilter, system_packages
from dockyard.engine.embedded import EmbeddedEngine
from tests.support import packages
from tests.support.front_door import short_folder

pytestmark = [
    pytest.mark.engine,
    pytest.mark.skipif(os.geteuid() != 0, reason="changes networks"),
]


def test_a_client_of_another_daemons_published_port_loses_no_request(busybox, home, tmp_path):
    archive = tmp_path / "busybox.tar"
    archive.write_bytes(busybox)
    with short_folder() as folder:
        done = subprocess.run(
            ["unshare", "--net", sys.executable, "-m", "tests.engine.beside_another_dockerd",
             archive, folder],
            cwd=paths.CHECKOUT, capture_output=True, text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert seen["requests"] > 100
    assert seen["failed"] == 0
    assert seen["same_while_running"]
    assert seen["same_afterwards"]


@pytest.mark.slow
@pytest.mark.parametrize("firewall", ["drop", "firewalld"])
def test_behind_a_firewall_containers_reach_what_they_should(busybox, home, tmp_path, firewall):
    if firewall == "firewalld" and not system_packages.which("firewalld"):
        if os.environ.get("CI") != "true":
            pytest.skip("needs firewalld, which would run from the next start of this computer on")
        packages.install(["firewalld"])
    archive = tmp_path / "busybox.tar"
    archive.write_bytes(busybox)
    done = subprocess.run(
        ["unshare", "--net", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child",
         sys.executable, "-m", "tests.engine.behind_a_firewall", firewall, archive],
        cwd=paths.CHECKOUT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "another container": True,
        "the course registry": True,
        "the Internet": True,
        "a container of another network": False,
        "a published port, from outside": True,
        "left": False,
    }


SCRIPT = """
$1/ip6tables --wait -t nat -N DOCKER-USER
$1/ip6tables --wait -t nat -S
echo inside
unshare --net sh -ec '
    $1/ip6tables --wait -t nat -N DOCKER_OUTPUT
    $1/ip6tables --wait -t nat -A OUTPUT -j DOCKER_OUTPUT
    $1/ip6tables --wait -t nat -S
' sh $1
"""


def test_names_of_chains_are_replaced_on_the_host_but_not_in_a_containers_network(home):
    netfilter.write_wrappers(home / "wrappers", "dy12345678")
    done = subprocess.run(
        ["unshare", "--net", "--pid", "--fork", "--mount-proc",
         "sh", "-ec", SCRIPT, "sh", home / "wrappers"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    host, _, inside = done.stdout.partition("inside\n")
    assert "-N dy12345678-USER" in host
    assert "-N DOCKER-USER" not in host
    assert "-A OUTPUT -j DOCKER_OUTPUT" in inside


def test_the_longest_name_that_docker_uses_fits_into_a_chains_name(home):
    longest = "DOCKER-ISOLATION-STAGE-1".replace("DOCKER", EmbeddedEngine().bridge)
    assert len(longest) <= 28  # iptables(8)


def test_the_hosts_forwarding_is_switched_on_and_restored_by_the_last_engine(home):
    """Each in a network namespace of its own, with settings of its own."""
    script = """
        from ipaddress import IPv4Network
        from pathlib import Path
        from dockyard.engine import netfilter
        pool = IPv4Network("10.250.0.0/16")
        setting = Path("/proc/sys/net/ipv4/ip_forward")
        setting.write_text("0\\n")
        told = []
        for prefix in ("dy00000001", "dy00000002"):
            netfilter.prepare(prefix, pool, 5050)
            netfilter.make_bridge(prefix, "10.250.0.1/24")
            told.append(setting.read_text())
        for prefix in ("dy00000001", "dy00000002"):
            netfilter.clear(prefix, [prefix], pool)
            told.append(setting.read_text())
        print(*map(str.strip, told), sep="")
        print(netfilter.run("iptables-save").count("dy0000"))
    """
    done = subprocess.run(
        ["unshare", "--net", sys.executable, "-c", textwrap.dedent(script)],
        cwd=paths.CHECKOUT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.split() == ["1110", "0"]
