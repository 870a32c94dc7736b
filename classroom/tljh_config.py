"""Dockyard in The Littlest JupyterHub: link this file into /opt/tljh/config/jupyterhub_config.d.

Students get an engine each, but no rooms: they share a network. Not tried with systemd. See
docs/classroom.md.
"""

from pathlib import Path

c = get_config()  # type: ignore[name-defined]  # noqa: F821 - JupyterHub gives it

course = Path(__file__).resolve().parents[1]

c.Spawner.cmd = [str(course / "classroom" / "tljh-server")]
c.Spawner.default_url = "/lab/tree/notebooks/00-start-here.ipynb"
c.Spawner.start_timeout = 120  # seconds; all students of a room log in at once
c.Spawner.environment = {
    "DOCKYARD_STORE": "/srv/dockyard",
    "DOCKYARD_MACHINE_WAY": "uml",  # what the store has
    "PYTHONPATH": str(course),
}
c.SystemdSpawner.mem_limit = "2500M"
c.SystemdSpawner.isolate_tmp = True
# When the unit stops, systemd ends all processes in its cgroup, the engine's included.
c.SystemdSpawner.unit_extra_properties = {"PrivateIPC": "yes", "ProtectProc": "invisible"}
