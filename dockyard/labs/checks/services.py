"""Lab 11: services. The daemons of the swarm are containers, and are asked through them."""

from __future__ import annotations

import time

from docker.models.containers import Container

from dockyard.labs.look import Look
from dockyard.labs.verdict import Broken, NotYet

PATIENCE = 20
"""Seconds that a wish is given to come true."""

READ_SECRET = """
for id in $(docker ps --quiet --filter label=com.docker.swarm.service.name=guard); do
  docker exec $id cat /run/secrets/password
done
"""


def start_swarm(look: Look) -> str:
    """The daemon is the manager of a swarm."""
    _swarm(look)
    return f"{look['NORTH']} is the manager of a swarm."


def first(look: Look) -> str:
    """The service has a task that runs."""
    _settled(look, "first", 1)
    return "The service first has a running task."


def more(look: Look) -> str:
    """The service has two tasks that run."""
    _settled(look, "first", 2)
    return "The service first has two running tasks."


def away(look: Look) -> str:
    """The swarm has no such service."""
    _swarm(look)
    if _lines(look, "service", "ls", "--format", "{{.Name}}").count("first"):
        raise NotYet("There is still a service called first.")
    return "There is no service called first."


def join(look: Look) -> str:
    """The other daemon is a worker, and ready."""
    manager, worker = _swarm(look), _node(look, "EAST")
    there = _state(look, worker)
    if there["LocalNodeState"] != "active":
        raise NotYet(f"{worker.name} is in no swarm.")
    # The cluster's id is known to its managers only.
    if (
        there["ControlAvailable"]
        and there["Cluster"]["ID"] != _state(look, manager)["Cluster"]["ID"]
    ):
        raise NotYet(
            f"{worker.name} is the manager of another swarm than {manager.name}.",
            mistake="two-swarms",
        )
    if there["ControlAvailable"]:
        raise NotYet(
            f"{worker.name} is a manager of the swarm, too.", mistake="joined-as-a-manager"
        )
    nodes = _lines(look, "node", "ls", "--format", "{{.Hostname}} {{.Status}} {{.Availability}}")
    if f"{worker.name} Ready Active" not in nodes:
        known = [each for each in nodes if each.startswith(f"{worker.name} ")]
        raise NotYet(f"For the manager, {known[0] if known else f'there is no {worker.name}'}.")
    return f"{worker.name} is a worker in the swarm of {manager.name}, and ready."


def web(look: Look) -> str:
    """Three tasks run."""
    _settled(look, "web", 3)
    return "The service web has three running tasks."


def watch(look: Look) -> str:
    """The service is global, and runs on each node."""
    spec = _service(look, "watch")["Spec"]
    if "Global" not in spec["Mode"]:
        wished = spec["Mode"].get("Replicated", {}).get("Replicas")
        raise NotYet(
            f"The service watch is a wish for {wished} tasks, wherever they run.",
            mistake="a-number-is-not-everywhere",
        )
    nodes = _lines(look, "node", "ls", "--format", "{{.Hostname}}")
    if len(nodes) < 2:
        raise NotYet(f"The swarm has one node only, {nodes[0]}.")
    _settled(look, "watch", len(nodes))
    return "The service watch runs on every node."


def guard(look: Look) -> str:
    """The service's container has the secret in a file."""
    service = _service(look, "guard")
    secrets = _lines(look, "secret", "ls", "--format", "{{.Name}}")
    spec = service["Spec"]["TaskTemplate"]["ContainerSpec"]
    if any(look["TOKEN"] in each for each in spec.get("Env") or []):
        raise NotYet(
            "The service guard has the word in a variable of its environment.",
            mistake="secret-in-the-environment",
        )
    if "password" not in secrets:
        raise NotYet("The swarm keeps no secret called password.")
    if "password" not in [each["SecretName"] for each in spec.get("Secrets") or []]:
        raise NotYet(
            "The swarm keeps the secret, and the service guard does not get it.",
            mistake="kept-and-not-given",
        )
    _settled(look, "guard", 1)
    for node in (_node(look, "NORTH"), _node(look, "EAST")):
        _, text = look.execute(node, "sh", "-c", READ_SECRET)
        if look["TOKEN"] in text:
            return "The service guard reads its secret from /run/secrets/password."
    raise Broken("In the service guard, /run/secrets/password does not hold the word.")


def update(look: Look) -> str:
    """The same service has a new version, everywhere."""
    service = _service(look, "web")
    if "VERSION=2" not in (service["Spec"]["TaskTemplate"]["ContainerSpec"].get("Env") or []):
        raise NotYet("The service web has no VERSION=2 in its environment.")
    if not service.get("PreviousSpec"):
        raise NotYet(
            "The service web has version 2, and never had another: it is a new one.",
            mistake="made-anew-not-updated",
        )
    deadline = time.monotonic() + PATIENCE
    while (state := _update_state(look)) in ("updating", "") and time.monotonic() < deadline:
        time.sleep(0.5)
    if state not in ("completed", ""):
        raise NotYet(f"The update of the service web is in the state {state!r}.")
    _settled(look, "web", 3)
    return "The service web has been updated: three tasks run version 2."


def _update_state(look: Look) -> str:
    return (_service(look, "web").get("UpdateStatus") or {}).get("State", "")


def _node(look: Look, name: str) -> Container:
    return look.running(look[name])


def _state(look: Look, node: Container) -> dict:
    state = look.document(node, "docker", "info", "--format", "{{json .Swarm}}")
    if state is None:
        raise Broken(f"The daemon on {node.name} does not answer.")
    return state


def _swarm(look: Look) -> Container:
    """The manager; the swarm must have begun."""
    north = _node(look, "NORTH")
    state = _state(look, north)
    if state["LocalNodeState"] != "active":
        raise NotYet(f"{north.name} is in no swarm.")
    if not state["ControlAvailable"]:
        raise NotYet(f"{north.name} is in a swarm, and not its manager.")
    return north


def _lines(look: Look, *argv: str) -> list[str]:
    """What the manager's client prints, line by line."""
    code, text = look.execute(_node(look, "NORTH"), "docker", *argv)
    if code:
        _swarm(look)
        raise Broken(f"docker {' '.join(argv[:2])} says: {text.strip()[:80]}")
    return text.splitlines()


def _service(look: Look, name: str) -> dict:
    north = _node(look, "NORTH")
    if found := look.inspected(north, "service", name):
        return found
    _swarm(look)
    if look.execute(north, "docker", "container", "inspect", name)[0] == 0:
        raise NotYet(
            f"On {north.name} there is a container {name}, and the swarm has no such service.",
            mistake="containers-are-no-service",
        )
    raise NotYet(f"The swarm has no service called {name}.")


def _settled(look: Look, name: str, wanted: int) -> None:
    """Wait until as many tasks of a service run as are wished for, and as were asked for."""
    mode = _service(look, name)["Spec"]["Mode"]
    wished = mode.get("Replicated", {}).get("Replicas", wanted)
    if wished != wanted:
        raise NotYet(f"The service {name} is a wish for {_tasks(wished)}.")
    argv = ("service", "ps", name, "--filter", "desired-state=running", "--format")
    deadline = time.monotonic() + PATIENCE
    while True:
        states = [each.split()[0] for each in _lines(look, *argv, "{{.CurrentState}}")]
        running = states.count("Running")
        if running == wanted == len(states):
            return
        if time.monotonic() > deadline:
            raise NotYet(f"Of the service {name}, {_tasks(running)} of {wanted} run.")
        time.sleep(0.5)


def _tasks(number: int) -> str:
    return f"{number} task" if number == 1 else f"{number} tasks"
