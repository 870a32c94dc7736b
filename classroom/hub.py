"""``python3 -m classroom.hub``: JupyterHub with rooms; its options are JupyterHub's.

It makes the rooms' network before the hub listens there, and adds the teacher's service.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from jupyterhub.app import JupyterHub

from classroom.room_spawner import TEACHER, RoomNetwork


class Classroom(JupyterHub):
    """JupyterHub that listens on the bridge of its students' rooms."""

    def init_services(self) -> None:
        """Let students and the proxy reach the teacher's service at the bridge's address."""
        url = TEACHER.format(network=RoomNetwork.instance().network()).partition("/services")[0]
        teacher = {
            "name": "classroom",
            "url": url,
            "command": [sys.executable, "-m", "classroom.teacher_service"],
            "environment": {
                "DOCKYARD_EVIDENCE": str(Path(self.cookie_secret_file).parent / "evidence"),
                "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
            },
            "oauth_no_confirm": True,
        }
        self.services += [teacher]
        super().init_services()

    def init_hub(self) -> None:
        """Make the network of the rooms, and listen in it for them."""
        chosen = RoomNetwork.instance(parent=self)
        network = chosen.network()
        network.set_up()
        self.hub_ip, self.hub_port = network.gateway, network.hub_port
        super().init_hub()


if __name__ == "__main__":
    Classroom.launch_instance()
