"""Lab 10: the daemon."""

from __future__ import annotations

import json
import socket
import ssl

from docker.models.containers import Container

from dockyard.labs.probe import Probe
from dockyard.labs.verdict import NotYet, brief

NO_DAEMON = ("Cannot connect to the Docker daemon", "failed to connect to the docker API")
"""What clients say when no daemon answers: up to Docker 28, and from 29 on."""


def nobody_home(probe: Probe) -> str:
    """The file holds a client's message when no daemon answers."""
    written = probe.file("error.txt")
    if not any(words in written for words in NO_DAEMON):
        raise NotYet(f"error.txt says {brief(written)!r}.")
    if "unix:///var/run/docker.sock" not in written:
        raise NotYet("error.txt has the message of a client that asked somewhere else.")
    return "error.txt has the message, and where the client looked."


def data_root(probe: Probe) -> str:
    """The file holds the daemon's folder."""
    written, root = probe.file("root.txt"), probe.daemon.info()["DockerRootDir"]
    if written.strip().rstrip("/") != root:
        raise NotYet(f"root.txt says {brief(written)!r}; the daemon keeps its things elsewhere.")
    return "root.txt has the daemon's folder, on the daemon's computer."


def by_itself(probe: Probe) -> str:
    """The file names the three default networks."""
    words = probe.file("networks.txt").split()
    if missing := [name for name in ("bridge", "host", "none") if name not in words]:
        raise NotYet(f"networks.txt does not name {missing[0]}.")
    return "networks.txt names bridge, host and none."


def started(probe: Probe) -> str:
    """The container's own daemon answers at its socket and, with TLS, at the port."""
    boat = probe.running(probe["BOAT"])
    info = _info(probe, boat)
    if info["ID"] == probe.daemon.info()["ID"]:
        raise NotYet(
            f"On {boat.name} answers the course's daemon, and none of its own.",
            mistake="socket-of-another",
        )
    port = int(probe["PORT"])
    probe.must_publish(boat, 2376, port)
    if not _speaks_tls(port):
        raise NotYet(
            f"The daemon on {boat.name} answers at its socket; at port 2376 nobody does.",
            mistake="only-at-its-socket",
        )
    return f"The daemon on {boat.name} listens at its socket and, with TLS, at port 2376."


def labelled(probe: Probe) -> str:
    """The daemon carries the label."""
    boat = probe.running(probe["BOAT"])
    wanted, labels = f"crew={probe['TOKEN']}", _info(probe, boat)["Labels"] or []
    if wanted not in labels:
        written = probe.read(boat, "/etc/docker/daemon.json") or ""
        saw = f"The daemon on {boat.name} has " + (
            f"the labels {labels}." if labels else "no label."
        )
        if wanted in written:
            raise NotYet(f"{saw} Its daemon.json has one.", mistake="settings-not-read-yet")
        raise NotYet(saw)
    return f"The daemon on {boat.name} carries the label {wanted}."


def came_back(probe: Probe) -> str:
    """The daemon was restarted; one container runs again, the other is kept."""
    boat = probe.running(probe["BOAT"])
    lamp, guest = (_inspect(probe, boat, probe[name]) for name in ("LAMP", "GUEST"))
    for state, name in ((lamp["State"], probe["LAMP"]), (guest["State"], probe["GUEST"])):
        if state["Status"] == "created":
            raise NotYet(f"{name} on {boat.name} was made, and never started.")
    if guest["State"]["Running"]:
        policy = guest["HostConfig"]["RestartPolicy"]["Name"]
        why = f"; its restart policy is {policy}" if policy not in ("", "no") else ""
        raise NotYet(f"{probe['GUEST']} on {boat.name} is running{why}.")
    if not lamp["State"]["Running"]:
        has_none = lamp["HostConfig"]["RestartPolicy"]["Name"] in ("", "no")
        raise NotYet(
            f"{probe['LAMP']} on {boat.name} is {lamp['State']['Status']}.",
            mistake="no-restart-policy" if has_none else None,
        )
    # The daemon's times are in UTC, so up to the seconds they can be compared as text.
    if lamp["State"]["StartedAt"][:19] < guest["State"]["FinishedAt"][:19]:
        raise NotYet(f"Since {probe['GUEST']} has ended, {probe['LAMP']} was not started again.")
    return (
        f"{probe['LAMP']} came back with the daemon; {probe['GUEST']} is kept, and stays stopped."
    )


def let_in(probe: Probe) -> str:
    """The daemon accepts the three files."""
    boat, keys = probe.running(probe["BOAT"]), probe.attempt.work / "keys"
    if not keys.is_dir():
        raise NotYet("There is no folder keys in your folder.")
    try:
        _, text = probe.get_secure(probe["PORT"], "/info", keys)
    except NotYet:
        written = keys / "cert.pem"
        own = probe.read(boat, "/certs/server/cert.pem")
        if own and written.is_file() and written.read_text(errors="replace") == own:
            raise NotYet(
                "keys/cert.pem is the daemon's own certificate, and it is refused.",
                mistake="daemons-own-certificate",
            ) from None
        raise
    name = json.loads(text).get("Name") if text.startswith("{") else None
    if name is None:
        raise NotYet(f"At port {probe['PORT']} one is told {brief(text)!r}.")
    return f"With your three files, the daemon on {boat.name} answers at port {probe['PORT']}."


def _info(probe: Probe, boat: Container) -> dict:
    info = probe.document(boat, "docker", "info", "--format", "{{json .}}")
    # Without a daemon, some clients describe only themselves and exit with 0.
    if not info or not info.get("ID"):
        raise NotYet(f"No daemon answers on {boat.name}.")
    return info


def _inspect(probe: Probe, boat: Container, name: str) -> dict:
    if found := probe.inspected(boat, "container", name):
        return found
    _info(probe, boat)
    probe.not_here(name, boat)
    raise NotYet(f"There is no container {name} on {boat.name}.")


def _speaks_tls(port: int) -> bool:
    anybody = ssl.create_default_context()
    anybody.check_hostname = False
    anybody.verify_mode = ssl.CERT_NONE
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as line:
            anybody.wrap_socket(line).close()
    except OSError:
        return False
    return True
