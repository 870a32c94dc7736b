"""``sudo python3 -m classroom.install``: makes a Debian or Ubuntu server a classroom.

Run it in the checkout, which students must be able to read; /opt/dockyard is a good place. Run it
again after an update. It changes no settings file that exists.
"""

from __future__ import annotations

import argparse
import os
import secrets
import shutil
import subprocess
import sys
from pathlib import Path

from dockyard.core import paths, python_packages
from dockyard.core.console import say

ETC = Path("/etc/dockyard")
UNITS = Path("/etc/systemd/system")
PACKAGES = (
    *("bubblewrap", "curl", "e2fsprogs", "git", "iproute2", "iptables", "mount", "python3-venv"),
    *("uidmap", "util-linux"),
)
KEEPER = Path("/var/lib/dockyard-keeper")
"""The home of the course that fills the store."""

SETTINGS = """\
# Settings of this classroom's hub; restart it afterwards: sudo systemctl restart dockyard-hub
# docs/classroom.md explains them.
load_subconfig("{course}/classroom/jupyterhub_config.py")

# Who may see all students and stop their servers. Sign up with this name before the students do.
c.Authenticator.admin_users = set()
c.RoomSpawner.engine = "{engine}"
c.RoomSpawner.store = "{store}"
# Each student's home has a disk of its own: who fills it stops nobody else. 0 for none.
c.RoomSpawner.disk = "8G"
# c.Spawner.mem_limit = "2500M"
# c.RoomNetwork.addresses = "10.213.0.0/16"
"""

HUB_UNIT = """\
[Unit]
Description=Dockyard's JupyterHub
After=network-online.target dockyard-proxy.service
Wants=network-online.target dockyard-proxy.service

[Service]
EnvironmentFile={etc}/proxy.env
Environment=PYTHONPATH={course}
StateDirectory=dockyard-hub
StateDirectoryMode=0700
WorkingDirectory=/var/lib/dockyard-hub
ExecStart={python} -m classroom.hub --config={etc}/jupyterhub_config.py
# Students' servers go on.
KillMode=process
Restart=always
TasksMax=infinity

[Install]
WantedBy=multi-user.target
"""

PROXY_UNIT = """\
[Unit]
Description=The proxy in front of Dockyard's JupyterHub
After=network-online.target
Wants=network-online.target

[Service]
EnvironmentFile={etc}/proxy.env
DynamicUser=yes
AmbientCapabilities=CAP_NET_BIND_SERVICE
ExecStart={proxy} --port={port} --api-ip=127.0.0.1 --api-port=8001 \\
    --default-target=http://10.213.0.1:8081
Restart=always

[Install]
WantedBy=multi-user.target
"""


def main() -> int:
    """Install what the options ask for; return 1 with a message when that is not possible."""
    options = _parser().parse_args()
    if problem := _problem():
        print(problem, file=sys.stderr)
        return 1
    _packages()
    python = _environment()
    _store(python, options.store, options.engine)
    write_settings(ETC, options.store, options.engine)
    # nbgitpuller and students may clone from the checkout, which belongs to root.
    _run("git", "config", "--system", "--replace-all", "safe.directory", str(paths.CHECKOUT),
         f"^{paths.CHECKOUT}$")  # fmt: skip
    _services(options.port)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python3 -m classroom.install", description=__doc__)
    parser.add_argument("--engine", choices=("machine", "embedded"), default="machine")
    parser.add_argument("--store", type=Path, default=Path("/srv/dockyard"))
    parser.add_argument("--port", type=int, default=8000, help="where browsers find the hub")
    return parser


def _problem() -> str:
    """Why this computer cannot be a classroom, or an empty string."""
    if os.geteuid() != 0:
        return "Run this as root:  sudo python3 -m classroom.install"
    if sys.version_info < (3, 11):  # noqa: UP036 - the system's Python runs this
        return "This needs Python 3.11 or newer: Debian 12, Ubuntu 24.04, or later ones."
    # Symbolic links are followed: a virtual environment leads to the Python that made it.
    for path in (paths.CHECKOUT, Path(sys.executable).resolve()):
        for folder in (path, *path.parents):
            if not folder.stat().st_mode & 0o001:
                return (
                    f"Students cannot enter {folder}, and {path} is in it.\n"
                    "Clone the course into /opt/dockyard, and use /usr/bin/python3."
                )
    return ""


def _packages() -> None:
    apt = shutil.which("apt-get")
    if apt is None:
        say(f"there is no apt-get; install these yourself: {', '.join(PACKAGES)}")
        return
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    _run(apt, "update")
    _run(apt, "install", "--yes", "--no-install-recommends", *PACKAGES, env=environment)


def _environment() -> Path:
    """Make .venv with the course and JupyterHub; return its Python."""
    python_packages.ensure_venv(python_packages.CLASSROOM_LOCK)
    python = python_packages.python()
    # Students cannot write compiled modules, and a server without them takes minutes to start.
    for folder in (".venv/lib", "dockyard", "classroom"):
        # Some packages bring files that are no Python, which fail.
        subprocess.run([python, "-m", "compileall", "-q", "-j0", paths.CHECKOUT / folder],
                       check=False, stdout=subprocess.DEVNULL)  # fmt: skip
    return python


def _store(python: Path, store: Path, engine: str) -> None:
    """Fill the store with the engine that students will use; what it has stays."""
    say(f"filling {store}, which may take a quarter of an hour the first time")
    environment = os.environ | {
        "DOCKYARD_STORE": str(store),
        "DOCKYARD_HOME": str(KEEPER),
        # As in jupyterhub_config.py: root could use KVM, and would make other files.
        "DOCKYARD_MACHINE_WAY": "uml",
    }
    try:
        _run(python, "-m", "dockyard", "engine", "start", "--engine", engine, env=environment)
    finally:
        _run(python, "-m", "dockyard", "engine", "stop", env=environment)


def write_settings(etc: Path, store: Path, engine: str) -> None:
    """Write the hub's settings and the secret it shares with the proxy, unless they exist."""
    etc.mkdir(exist_ok=True)
    settings, secret = etc / "jupyterhub_config.py", etc / "proxy.env"
    if not settings.exists():
        text = SETTINGS.format(course=paths.CHECKOUT, store=store, engine=engine)
        settings.write_text(text)
    if not secret.exists():
        secret.touch(mode=0o600)
        secret.write_text(f"CONFIGPROXY_AUTH_TOKEN={secrets.token_hex(32)}\n")


def _services(port: int) -> None:
    python = python_packages.python()
    words = {
        "etc": ETC, "course": paths.CHECKOUT, "python": python, "port": port,
        "proxy": python.with_name("configurable-http-proxy"),
    }  # fmt: skip
    hub, proxy = HUB_UNIT.format(**words), PROXY_UNIT.format(**words)
    if not Path("/run/systemd/system").is_dir():
        say("there is no systemd here; start what these would start:")
        print(proxy, hub, sep="\n")
        return
    (UNITS / "dockyard-proxy.service").write_text(proxy)
    (UNITS / "dockyard-hub.service").write_text(hub)
    _run("systemctl", "daemon-reload")
    for name in ("dockyard-proxy", "dockyard-hub"):
        _run("systemctl", "enable", "--quiet", name)
        _run("systemctl", "restart", name)
    say(f"the classroom is open at http://{os.uname().nodename}:{port}")


def _run(*words: str | Path, env: dict[str, str] | None = None) -> None:
    subprocess.run(words, check=True, stdin=subprocess.DEVNULL, env=env, cwd=paths.CHECKOUT)


if __name__ == "__main__":
    sys.exit(main())
