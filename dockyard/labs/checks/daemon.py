"""Lab 03: the daemon."""

from __future__ import annotations

import json
import socket
import ssl

from docker.models.containers import Container

from dockyard.labs.look import Look
from dockyard.labs.verdict import NotYet
from dockyard.labs.wire import brief


def nobody_home(look: Look) -> str:
    """The message of a client whom nobody answers."""
    written = look.file("error.txt")
    if "Cannot connect to the Docker daemon" not in written:
        raise NotYet(f"error.txt says {brief(written)!r}.")
    if "unix:///var/run/docker.sock" not in written:
        raise NotYet("error.txt has the message of a client that asked somewhere else.")
    return "error.txt has the message, and where the client looked."


def data_root(look: Look) -> str:
    """The daemon's folder."""
    written, root = look.file("root.txt"), look.daemon.info()["DockerRootDir"]
    if written.strip().rstrip("/") != root:
        raise NotYet(f"root.txt says {brief(written)!r}; the daemon keeps its things elsewhere.")
    return "root.txt has the daemon's folder, on the daemon's computer."


def by_itself(look: Look) -> str:
    """The three networks."""
    words = look.file("networks.txt").split()
    if missing := [name for name in ("bridge", "host", "none") if name not in words]:
        raise NotYet(f"networks.txt does not name {missing[0]}.")
    return "networks.txt names bridge, host and none."


def started(look: Look) -> str:
    """A daemon of its own answers at the socket, and one that speaks TLS at the port."""
    boat = look.running(look["BOAT"])
    info = _info(look, boat)
    if info["ID"] == look.daemon.info()["ID"]:
        raise NotYet(
            f"On {boat.name} answers the course's daemon, and none of its own.",
            mistake="socket-of-another",
        )
    port = int(look["PORT"])
    look.must_publish(boat, 2376, port)
    if not _speaks_tls(port):
        raise NotYet(
            f"The daemon on {boat.name} answers at its socket; at port 2376 nobody does.",
            mistake="only-at-its-socket",
        )
    return f"The daemon on {boat.name} listens at its socket and, with TLS, at port 2376."


def labelled(look: Look) -> str:
    """The daemon carries the label."""
    boat = look.running(look["BOAT"])
    wanted, labels = f"crew={look['TOKEN']}", _info(look, boat)["Labels"] or []
    if wanted not in labels:
        written = look.read(boat, "/etc/docker/daemon.json") or ""
        saw = f"The daemon on {boat.name} has " + (
            f"the labels {labels}." if labels else "no label."
        )
        if wanted in written:
            raise NotYet(f"{saw} Its daemon.json has one.", mistake="settings-not-read-yet")
        raise NotYet(saw)
    return f"The daemon on {boat.name} carries the label {wanted}."


def came_back(look: Look) -> str:
    """The daemon was restarted; one container runs again, the other is kept."""
    boat = look.running(look["BOAT"])
    lamp, guest = (_inspect(look, boat, look[name]) for name in ("LAMP", "GUEST"))
    for state, name in ((lamp["State"], look["LAMP"]), (guest["State"], look["GUEST"])):
        if state["Status"] == "created":
            raise NotYet(f"{name} on {boat.name} was made, and never started.")
    if guest["State"]["Running"]:
        policy = guest["HostConfig"]["RestartPolicy"]["Name"]
        why = f"; its restart policy is {policy}" if policy not in ("", "no") else ""
        raise NotYet(f"{look['GUEST']} on {boat.name} is running{why}.")
    if not lamp["State"]["Running"]:
        has_none = lamp["HostConfig"]["RestartPolicy"]["Name"] in ("", "no")
        raise NotYet(
            f"{look['LAMP']} on {boat.name} is {lamp['State']['Status']}.",
            mistake="no-restart-policy" if has_none else None,
        )
    # Times of the daemon are all in UTC and of one length, up to the seconds.
    if lamp["State"]["StartedAt"][:19] < guest["State"]["FinishedAt"][:19]:
        raise NotYet(f"Since {look['GUEST']} has ended, {look['LAMP']} was not started again.")
    return f"{look['LAMP']} came back with the daemon; {look['GUEST']} is kept, and stays stopped."


def let_in(look: Look) -> str:
    """The three files open the daemon's door."""
    boat, keys = look.running(look["BOAT"]), look.attempt.work / "keys"
    if not keys.is_dir():
        raise NotYet("There is no folder keys in your folder.")
    try:
        _, text = look.get_secure(look["PORT"], "/info", keys)
    except NotYet:
        written = keys / "cert.pem"
        own = look.read(boat, "/certs/server/cert.pem")
        if own and written.is_file() and written.read_text(errors="replace") == own:
            raise NotYet(
                "keys/cert.pem is the daemon's own certificate, and it is refused.",
                mistake="daemons-own-certificate",
            ) from None
        raise
    name = json.loads(text).get("Name") if text.startswith("{") else None
    if name is None:
        raise NotYet(f"At port {look['PORT']} one is told {brief(text)!r}.")
    return f"With your three files, the daemon on {boat.name} answers at port {look['PORT']}."


def _info(look: Look, boat: Container) -> dict:
    info = look.document(boat, "docker", "info", "--format", "{{json .}}")
    # Without a daemon, some clients tell of themselves only, and end with 0.
    if not info or not info.get("ID"):
        raise NotYet(f"No daemon answers on {boat.name}.")
    return info


def _inspect(look: Look, boat: Container, name: str) -> dict:
    if found := look.inspected(boat, "container", name):
        return found
    _info(look, boat)
    look.not_here(name, boat)
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
