"""Dockyard: an interactive course on Docker whose cells drive a real daemon."""

__version__ = "0.1.0"


def load_ipython_extension(ipython):
    """Load the course's magics: ``%load_ext dockyard``."""
    from dockyard.notebook.extension import load

    load(ipython)


def unload_ipython_extension(ipython):
    """Unload them: ``%unload_ext dockyard``."""
    from dockyard.notebook.extension import unload

    unload(ipython)
