"""Uses the embedded engine on a computer whose firewall refuses what it does not know.

Run it in network, mount and PID namespaces of its own:
``python -m tests.engine.behind_a_firewall FIREWALL ARCHIVE``. FIREWALL is ``firewalld``, or
``drop`` for iptables rules such as ufw makes. ARCHIVE has the image busybox. Prints what was seen
as JSON.
"""

import json
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import docker

from dockyard.core import wait
from dockyard.core.console import say
from dockyard.engine import netfilter
from dockyard.engine.base import MIRROR_PORT
from dockyard.engine.embedded import EmbeddedEngine

HOST, OUTSIDE = "10.99.0.1", "10.99.0.2"
SERVE = "mkdir /www; echo here > /www/page; exec httpd -f -p 80 -h /www"
SERVER = """
import http.server, sys
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"here")
http.server.HTTPServer((sys.argv[1], int(sys.argv[2])), Page).serve_forever()
"""
FETCH = "import sys, urllib.request as u; print(u.urlopen(sys.argv[1], timeout=5).read().decode())"


def run(*words: str) -> str:
    """What a command prints; empty if it fails."""
    return subprocess.run(words, capture_output=True, text=True, check=False).stdout


def drop() -> None:
    """Let in only this computer's own connections, and what belongs to known ones."""
    known = ("-m", "conntrack", "--ctstate", "RELATED,ESTABLISHED")
    for family in netfilter.FAMILIES:
        for chain in ("INPUT", "FORWARD"):
            netfilter.run(family, "-A", chain, *known, "-j", "ACCEPT")
            netfilter.run(family, "-P", chain, "DROP")
        netfilter.run(family, "-A", "INPUT", "-i", "lo", "-j", "ACCEPT")


def firewalld() -> None:
    """The real one as it comes, with a system bus of its own."""
    run("mount", "-t", "tmpfs", "none", "/run")
    Path("/run/dbus").mkdir()
    run("dbus-daemon", "--system", "--fork", "--nopidfile", "--nosyslog")
    subprocess.Popen(
        ["firewalld", "--nofork", "--nopid"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    state = ("firewall-cmd", "--state")
    wait.until("firewalld to run", lambda: run(*state).strip() == "running", timeout=120)


def start_outside() -> list[str]:
    """Start another computer, with a page; return the beginning of commands that run there."""
    other = subprocess.Popen(
        ["unshare", "--net", sys.executable, "-c", SERVER, "0.0.0.0", "80"],
        stderr=subprocess.DEVNULL,
    )
    net = Path(f"/proc/{other.pid}/ns/net")
    here = Path("/proc/self/ns/net").readlink()
    wait.until("another computer", lambda: net.readlink() != here, timeout=60)
    there = ["nsenter", f"--net={net}"]
    peer = ("peer", "wire1", "netns", str(other.pid))
    run("ip", "link", "add", "wire0", "type", "veth", *peer)
    run("ip", "address", "add", f"{HOST}/24", "dev", "wire0")
    run("ip", "link", "set", "wire0", "up")
    for words in (f"address add {OUTSIDE}/24 dev wire1", "link set wire1 up"):
        run(*there, "ip", *words.split())
    return there


def main(firewall: str, archive: Path) -> None:
    run("ip", "link", "set", "lo", "up")
    {"drop": drop, "firewalld": firewalld}[firewall]()
    there = start_outside()
    engine = EmbeddedEngine()
    seen = {}
    address = engine.start(say).address
    registry = subprocess.Popen(
        [sys.executable, "-c", SERVER, engine.bridge_gateway, str(MIRROR_PORT)],
        stderr=subprocess.DEVNULL,
    )
    with closing(docker.DockerClient(base_url=address)) as daemon:
        daemon.images.load(archive.read_bytes())
        for name in ("own", "other"):
            daemon.networks.create(name)
        start = daemon.containers.run
        start("busybox", ["sh", "-c", SERVE], detach=True, name="web", network="own",
              ports={"80/tcp": 8080})  # fmt: skip
        client = start("busybox", "sleep 900", detach=True, network="own")
        stranger = start("busybox", "sleep 900", detach=True, network="other")

        def fetches(container, url: str) -> bool:
            return b"here" in container.exec_run(f"wget -q -T 5 -O - {url}").output

        wait.until("the page", lambda: "here" in run(sys.executable, "-c", FETCH,
                   "http://127.0.0.1:8080/page"), timeout=60)  # fmt: skip
        web = daemon.containers.get("web").attrs["NetworkSettings"]["Networks"]["own"]["IPAddress"]
        seen = {
            "another container": fetches(client, "http://web/page"),
            "the course registry": fetches(
                client, f"http://{engine.bridge_gateway}:{MIRROR_PORT}/"
            ),
            "the Internet": fetches(client, f"http://{OUTSIDE}/"),
            "a container of another network": fetches(stranger, f"http://{web}/page"),
            "a published port, from outside": "here"
            in run(*there, sys.executable, "-c", FETCH, f"http://{HOST}:8080/page"),
        }
    engine.stop(say)
    registry.kill()
    seen["left"] = engine.bridge in netfilter.run("iptables-save")
    if firewall == "firewalld":
        seen["left"] |= str(engine.pool) in run("firewall-cmd", "--zone=trusted", "--list-sources")
    print(json.dumps(seen))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
