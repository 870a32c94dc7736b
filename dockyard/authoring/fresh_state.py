"""The state in which a notebook is run to store or compare its outputs.

docker's tables show everything that the daemon has, so nothing of other pages may be left.
"""

from __future__ import annotations

import shutil
from contextlib import closing, suppress
from pathlib import Path

from docker.errors import NotFound

from dockyard import cleanup, course, registry
from dockyard.core import docker_client, paths


def make(page: Path) -> None:
    """Remove what lessons made, and the images that they pulled; labs keep theirs apart by names.

    A daemon of the learner's own keeps its build cache. page is the notebook that is to run.
    """
    if page.parent != paths.NOTEBOOKS:
        return
    with closing(docker_client.connect(timeout=300)) as daemon:
        state = course.State.load()
        assert state
        # A daemon of the learner's own could not pull them again without Docker Hub.
        brought = () if state.stand_in else registry.references()
        cleanup.remove(daemon, brought=brought)
        if state.mirror:
            with suppress(NotFound):  # Podman has no cache of BuildKit's
                daemon.api.prune_builds(all=True)
            # Those without a name, which carry no label.
            daemon.api.prune_volumes()
    shutil.rmtree(page.parent / "work" / page.stem, ignore_errors=True)
