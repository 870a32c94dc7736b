"""Lab 12: services. Asks the swarm's daemons, which run in containers."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from docker.models.containers import Container

from dockyard.core import wait
from dockyard.labs.probe import Probe
from dockyard.labs.verdict import Broken, NotYet

PATIENCE = 20
"""Seconds for a service to reach its desired state."""

STEADY = 5
"""Seconds for which a task must have run."""

REMOVED = ("--since", "1h", "--until", "0s", "--filter", "type=service", "--filter", "event=remove")
"""Options of ``docker events`` for the services that were removed during the last hour."""

TOLD = 3
"""Seconds until the daemon's events have what a command has done."""

SIGNALS = (137, 143)
"""Exit codes of programs that were killed, and did not end by themselves."""

READ_SECRET = """
for id in $(docker ps --quiet --filter label=com.docker.swarm.service.name=guard); do
  docker exec $id cat /run/secrets/password
done
"""


def start_swarm(probe: Probe) -> str:
    """The daemon is the manager of a swarm."""
    _swarm(probe)
    return f"{probe['NORTH']} is the manager of a swarm."


def first(probe: Probe) -> str:
    """The service has a task that runs."""
    _settled(probe, "first", 1)
    return "The service first has a running task."


def more(probe: Probe) -> str:
    """The service has two tasks that run."""
    _settled(probe, "first", 2)
    return "The service first has two running tasks."


def away(probe: Probe) -> str:
    """The swarm has no such service."""
    _swarm(probe)
    if _lines(probe, "service", "ls", "--format", "{{.Name}}").count("first"):
        raise NotYet("There is still a service called first.")

    def removed() -> bool:
        # The manager tells of it a moment after the command has ended.
        names = _lines(probe, "events", *REMOVED, "--format", "{{.Actor.Attributes.name}}")
        return "first" in names

    if not wait.within(TOLD, removed, 0.2):
        raise NotYet("There was no service called first, and so none was removed.")
    return "The service first has been removed."


def join(probe: Probe) -> str:
    """The other daemon is a worker, and ready."""
    manager, worker = _swarm(probe), _node(probe, "EAST")
    there = _state(probe, worker)
    if there["LocalNodeState"] != "active":
        raise NotYet(f"{worker.name} is in no swarm.")
    # Only managers know the cluster's id.
    if (
        there["ControlAvailable"]
        and there["Cluster"]["ID"] != _state(probe, manager)["Cluster"]["ID"]
    ):
        raise NotYet(
            f"{worker.name} is the manager of another swarm than {manager.name}.",
            mistake="two-swarms",
        )
    if there["ControlAvailable"]:
        raise NotYet(
            f"{worker.name} is a manager of the swarm, too.", mistake="joined-as-a-manager"
        )
    nodes = _lines(probe, "node", "ls", "--format", "{{.Hostname}} {{.Status}} {{.Availability}}")
    if f"{worker.name} Ready Active" not in nodes:
        known = [each for each in nodes if each.startswith(f"{worker.name} ")]
        raise NotYet(f"For the manager, {known[0] if known else f'there is no {worker.name}'}.")
    return f"{worker.name} is a worker in the swarm of {manager.name}, and ready."


def web(probe: Probe) -> str:
    """Three tasks run."""
    _settled(probe, "web", 3)
    # Three programs that exit after a moment also run together for that moment.
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        tasks = _history(probe, "web")
        _must_not_exit(probe, tasks)
        since = [_moment(task["Status"]["Timestamp"]) for task in tasks if _runs(task)]
        if since and (datetime.now(UTC) - max(since)).total_seconds() > STEADY:
            break
        time.sleep(0.5)
    _settled(probe, "web", 3)
    return "The service web has three running tasks."


def watch(probe: Probe) -> str:
    """The service is global and runs on each node."""
    spec = _service(probe, "watch")["Spec"]
    if "Global" not in spec["Mode"]:
        desired = spec["Mode"].get("Replicated", {}).get("Replicas")
        raise NotYet(
            f"The service watch asks for {desired} tasks, on whatever node.",
            mistake="a-number-is-not-everywhere",
        )
    nodes = _lines(probe, "node", "ls", "--format", "{{.Hostname}}")
    if len(nodes) < 2:
        raise NotYet(f"The swarm has one node only, {nodes[0]}.")
    _settled(probe, "watch", len(nodes))
    return "The service watch runs on every node."


def guard(probe: Probe) -> str:
    """The service's container has the secret in a file."""
    service = _service(probe, "guard")
    secrets = _lines(probe, "secret", "ls", "--format", "{{.Name}}")
    spec = service["Spec"]["TaskTemplate"]["ContainerSpec"]
    if any(probe["TOKEN"] in each for each in spec.get("Env") or []):
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
    _settled(probe, "guard", 1)
    for node in (_node(probe, "NORTH"), _node(probe, "EAST")):
        _, text = probe.execute(node, "sh", "-c", READ_SECRET)
        if probe["TOKEN"] in text:
            return "The service guard reads its secret from /run/secrets/password."
    raise Broken("In the service guard, /run/secrets/password does not hold the word.")


def update(probe: Probe) -> str:
    """The service was updated to the new version, in all tasks."""
    service = _service(probe, "web")
    if "VERSION=2" not in (service["Spec"]["TaskTemplate"]["ContainerSpec"].get("Env") or []):
        raise NotYet("The service web has no VERSION=2 in its environment.")
    if not service.get("PreviousSpec"):
        raise NotYet(
            "The service web has version 2, and never had another: it is a new one.",
            mistake="made-anew-not-updated",
        )
    deadline = time.monotonic() + PATIENCE
    while (state := _update_state(probe)) in ("updating", "") and time.monotonic() < deadline:
        time.sleep(0.5)
    if state not in ("completed", ""):
        raise NotYet(f"The update of the service web is in the state {state!r}.")
    _settled(probe, "web", 3)
    config = service["Spec"].get("UpdateConfig") or {}
    if config.get("Order") != "start-first" and config.get("Parallelism", 1) not in (1, 2):
        raise NotYet("The update of the service web stopped all three tasks at once.")
    if _all_were_missing(_history(probe, "web")):
        raise NotYet(
            "Three tasks run version 2, and for a while none was running: the last one of the old "
            "version had ended before the first of the new one ran."
        )
    return "The service web has been updated: three tasks run version 2."


def _must_not_exit(probe: Probe, tasks: list[dict]) -> None:
    wanted = _runs_what(_service(probe, "web")["Spec"]["TaskTemplate"])
    for task in tasks:
        code = task["Status"].get("ContainerStatus", {}).get("ExitCode", 0)
        ended = task["Status"]["State"] in ("complete", "failed") and code not in SIGNALS
        if ended and _runs_what(task["Spec"]) == wanted:
            raise Broken(
                f"A task of the service web exited by itself, with code {code}, and was replaced: "
                "its program does not keep running."
            )


def _runs_what(template: dict) -> list:
    """What tells a task of the service as it is from one that an update has replaced."""
    return [template["ContainerSpec"].get(key) for key in ("Image", "Command", "Args", "Env")]


def _all_were_missing(tasks: list[dict]) -> bool:
    """Whether no task was running at some time of the last update to version 2."""
    new = [each for each in tasks if _is_new(each)]
    old = [each for each in tasks if not _is_new(each)]
    # Docker keeps the tasks that an update has replaced, but not those of a smaller number.
    if not old:
        return True
    last = max(task["CreatedAt"] for task in old)
    # When a task that has ended had started is not known: no later than it was made, let us say.
    since = [
        _moment(task["Status"]["Timestamp"] if _runs(task) else task["CreatedAt"])
        for task in new
        if task["CreatedAt"] > last
    ]
    return not since or min(since) > max(_moment(task["Status"]["Timestamp"]) for task in old)


def _is_new(task: dict) -> bool:
    return "VERSION=2" in (task["Spec"]["ContainerSpec"].get("Env") or [])


def _runs(task: dict) -> bool:
    return task["Status"]["State"] == "running"


def _moment(timestamp: str) -> datetime:
    return datetime.fromisoformat(timestamp)


def _history(probe: Probe, service: str) -> list[dict]:
    """The tasks of a service that the swarm remembers, as they are inspected."""
    # A task that the swarm forgets meanwhile is left out.
    program = f"docker inspect $(docker service ps --quiet --no-trunc {service}) || true"
    return probe.document(_node(probe, "NORTH"), "sh", "-c", program) or []


def _update_state(probe: Probe) -> str:
    return (_service(probe, "web").get("UpdateStatus") or {}).get("State", "")


def _node(probe: Probe, name: str) -> Container:
    return probe.running(probe[name])


def _state(probe: Probe, node: Container) -> dict:
    state = probe.document(node, "docker", "info", "--format", "{{json .Swarm}}")
    if state is None:
        raise Broken(f"The daemon on {node.name} does not answer.")
    return state


def _swarm(probe: Probe) -> Container:
    """The manager's container. Raises NotYet when it manages no swarm."""
    north = _node(probe, "NORTH")
    state = _state(probe, north)
    if state["LocalNodeState"] != "active":
        raise NotYet(f"{north.name} is in no swarm.")
    if not state["ControlAvailable"]:
        raise NotYet(f"{north.name} is in a swarm, and not its manager.")
    return north


def _lines(probe: Probe, *argv: str) -> list[str]:
    """The output lines of a command of the manager's client."""
    code, text = probe.execute(_node(probe, "NORTH"), "docker", *argv)
    if code:
        _swarm(probe)
        raise Broken(f"docker {' '.join(argv[:2])} says: {text.strip()[:80]}")
    return text.splitlines()


def _service(probe: Probe, name: str) -> dict:
    north = _node(probe, "NORTH")
    if found := probe.inspected(north, "service", name):
        return found
    _swarm(probe)
    if probe.execute(north, "docker", "container", "inspect", name)[0] == 0:
        raise NotYet(
            f"On {north.name} there is a container {name}, and the swarm has no such service.",
            mistake="containers-are-no-service",
        )
    raise NotYet(f"The swarm has no service called {name}.")


def _settled(probe: Probe, name: str, wanted: int) -> None:
    """Wait until a service runs the wanted number of tasks, which it must also ask for."""
    mode = _service(probe, name)["Spec"]["Mode"]
    desired = mode.get("Replicated", {}).get("Replicas", wanted)
    if desired != wanted:
        raise NotYet(f"The desired state of the service {name} is {_tasks(desired)}.")
    argv = ("service", "ps", name, "--filter", "desired-state=running", "--format")
    deadline = time.monotonic() + PATIENCE
    while True:
        states = [each.split()[0] for each in _lines(probe, *argv, "{{.CurrentState}}")]
        running = states.count("Running")
        if running == wanted == len(states):
            return
        if time.monotonic() > deadline:
            raise NotYet(f"The service {name} has {_tasks(running)} running of {wanted}.")
        time.sleep(0.5)


def _tasks(number: int) -> str:
    return f"{number} task" if number == 1 else f"{number} tasks"
