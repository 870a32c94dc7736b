"""The hub of a classroom on one server. `classroom/install` writes a file that loads this one.

Change nothing here: put your settings into that file, /etc/dockyard/jupyterhub_config.py.
"""

import os
import sys
from pathlib import Path

c = get_config()  # type: ignore[name-defined]  # noqa: F821 - JupyterHub gives it

course = Path(__file__).resolve().parents[1]
data = Path(os.environ.get("STATE_DIRECTORY", "/var/lib/dockyard-hub"))  # systemd sets it

c.JupyterHub.db_url = f"sqlite:///{data}/jupyterhub.sqlite"
c.JupyterHub.cookie_secret_file = str(data / "cookie_secret")
# Students' servers and engines go on when the hub stops, and the proxy is a service of its own.
c.JupyterHub.cleanup_servers = False
c.JupyterHub.cleanup_proxy = False
c.ConfigurableHTTPProxy.should_start = False

# Students sign up with a name and a password of their choice.
c.JupyterHub.authenticator_class = "native"
c.NativeAuthenticator.open_signup = True
c.NativeAuthenticator.minimum_password_length = 8
c.NativeAuthenticator.check_common_password = True
c.NativeAuthenticator.allowed_failed_logins = 10
c.Authenticator.allow_all = True

c.JupyterHub.spawner_class = "classroom.room_spawner.RoomSpawner"
c.Spawner.cmd = [str(Path(sys.executable).with_name("jupyterhub-singleuser"))]
c.Spawner.default_url = "/lab/tree/notebooks/00-start-here.ipynb"
c.Spawner.start_timeout = 120  # seconds; all students of a room log in at once
c.Spawner.http_timeout = 120
c.Spawner.mem_limit = "2500M"
system = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
c.Spawner.environment = {
    "PATH": f"{Path(sys.executable).parent}:{system}",
    "PYTHONPATH": str(course),
    # What the store has; it needs no device that students may not open.
    "DOCKYARD_MACHINE_WAY": "uml",
}

# A server that nobody has used for an hour is stopped; its engine goes with it.
c.JupyterHub.services = [
    {
        "name": "idle-culler",
        "command": [sys.executable, "-m", "jupyterhub_idle_culler", "--timeout=3600"],
    }
]
c.JupyterHub.load_roles = [
    {
        "name": "idle-culler",
        "services": ["idle-culler"],
        "scopes": ["list:users", "read:users:activity", "read:servers", "delete:servers"],
    }
]
