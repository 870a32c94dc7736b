"""Live views of the daemon, each one call in a cell.

    from dockyard import views
    views.panel()

A view shows the objects of the lesson that has begun in this notebook, or those of the whole
course; with ``everything=True`` all that the daemon has.
"""

from __future__ import annotations

from dockyard.views.build_view import Build
from dockyard.views.layers import Layers
from dockyard.views.life_cycle import LifeCycle
from dockyard.views.network_map import NetworkMap
from dockyard.views.panel import Panel
from dockyard.views.pull_view import Pull
from dockyard.views.registry_browser import RegistryBrowser


def network_map(*, everything: bool = False) -> NetworkMap:
    """Who is in which network, and who reaches whom. Raises EngineNotRunning."""
    return NetworkMap(everything=everything)


def panel(*, everything: bool = False) -> Panel:
    """Containers, images, networks and volumes, kept up to date. Raises EngineNotRunning."""
    return Panel(everything=everything)


def layers(image: str, *others: str) -> Layers:
    """The layers of images, or of containers with what they have written, side by side.

    Raises EngineNotRunning.
    """
    return Layers(image, *others)


def life_cycle(name: str) -> LifeCycle:
    """The state diagram of a container, which need not exist yet. Raises EngineNotRunning."""
    return LifeCycle(name)


def pull(reference: str) -> Pull:
    """Pull an image and show each layer's progress meanwhile. Raises EngineNotRunning."""
    return Pull(reference).run()


def build(path: str, tag: str, *, dockerfile: str = "Dockerfile") -> Build:
    """Build an image from a folder with a Dockerfile and show its steps meanwhile.

    Raises UsageError when there is no Dockerfile, EngineNotRunning.
    """
    return Build(path, tag, dockerfile=dockerfile).run()


def registry_browser(
    address: str | None = None,
    *,
    user: str = "",
    password: str = "",
    certificate: str = "",
    open: str = "",
) -> RegistryBrowser:
    """What a registry holds: the course's, or the one at HOST:PORT.

    open is a ``REPOSITORY`` or ``REPOSITORY:TAG`` to begin with; certificate is the file of a
    certificate that the registry is known by. A registry that does not answer is shown as such.
    """
    return RegistryBrowser(
        address, user=user, password=password, certificate=certificate, open=open
    )


__all__ = ["build", "layers", "life_cycle", "network_map", "panel", "pull", "registry_browser"]
