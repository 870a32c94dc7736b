"""Live views of the daemon, each created with one call in a cell.

    from dockyard import views
    views.panel()

A view shows the objects of the lesson that was begun in this notebook, or those of the whole
course if none was; with ``everything=True``, everything on the daemon.
"""

from __future__ import annotations

from dockyard.views.build_view import Build
from dockyard.views.layers import Layers
from dockyard.views.life_cycle import LifeCycle
from dockyard.views.network_map import NetworkMap
from dockyard.views.panel import Panel
from dockyard.views.pull_view import Pull
from dockyard.views.registry_browser import RegistryBrowser
from dockyard.views.web_page import WebPage


def network_map(*, everything: bool = False) -> NetworkMap:
    """Show networks, their containers and open ports. Raises EngineNotRunning."""
    return NetworkMap(everything=everything)


def panel(*, everything: bool = False) -> Panel:
    """Show containers, images, networks and volumes. Raises EngineNotRunning."""
    return Panel(everything=everything)


def layers(image: str, *others: str) -> Layers:
    """Show the layers of images, or of containers and what they have written, side by side.

    Raises EngineNotRunning.
    """
    return Layers(image, *others)


def life_cycle(name: str) -> LifeCycle:
    """Show the state diagram of a container, which may not exist yet. Raises EngineNotRunning."""
    return LifeCycle(name)


def page(port: int, path: str = "/", *, height: int = 320) -> WebPage:
    """Show the page of a container's web server, by its published port, in a frame.

    Waits until the server has started. height is in pixels.
    """
    return WebPage(port, path, height)


def pull(reference: str) -> Pull:
    """Pull an image and show the progress of each layer. Raises EngineNotRunning."""
    return Pull(reference).run()


def build(path: str, tag: str, *, dockerfile: str = "Dockerfile") -> Build:
    """Build an image from a folder with a Dockerfile and show each step.

    Raises UsageError if there is no Dockerfile, or EngineNotRunning.
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
    """Show the content of the course registry, or of the registry at HOST:PORT.

    open is the ``REPOSITORY`` or ``REPOSITORY:TAG`` to show first. certificate is the path of the
    registry's certificate. A registry that does not answer is shown with the reason.
    """
    return RegistryBrowser(
        address, user=user, password=password, certificate=certificate, open=open
    )


__all__ = [
    "build",
    "layers",
    "life_cycle",
    "network_map",
    "page",
    "panel",
    "pull",
    "registry_browser",
]
