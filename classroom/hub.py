"""``python3 -m classroom.hub``: JupyterHub with rooms; its options are JupyterHub's.

It makes the rooms' network before the hub listens there.
"""

from __future__ import annotations

from jupyterhub.app import JupyterHub

from classroom.room_spawner import RoomNetwork


class Classroom(JupyterHub):
    """JupyterHub that listens on the bridge of its students' rooms."""

    def init_hub(self) -> None:
        """Make the network of the rooms, and listen in it for them."""
        chosen = RoomNetwork.instance(parent=self)
        network = chosen.network()
        network.set_up()
        self.hub_ip, self.hub_port = network.gateway, network.hub_port
        super().init_hub()


if __name__ == "__main__":
    Classroom.launch_instance()
