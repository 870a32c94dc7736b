"""Dockyard: an interactive course on Docker whose cells drive a real daemon."""

__version__ = "0.1.0"


def load_ipython_extension(ipython):
    """What ``%load_ext dockyard`` calls."""
    from dockyard.notebook.extension import load

    load(ipython)


def unload_ipython_extension(ipython):
    """What ``%unload_ext dockyard`` calls."""
    from dockyard.notebook.extension import unload

    unload(ipython)
