"""The engines on which the course is tested besides its own; learners are not offered them.

``python3 -m dockyard test`` adds them to its choices (see dockyard/engine/providers.py).
"""

from dockyard.engine.providers import Provider

PROVIDERS = (
    Provider("old-store", "tests.engines.old_store:OldStoreEngine"),
    Provider("docker-20", "tests.engines.bare:OldestEngine"),
    Provider("bare", "tests.engines.bare:TodaysEngine"),
    Provider("podman", "tests.engines.podman:PodmanEngine"),
)
