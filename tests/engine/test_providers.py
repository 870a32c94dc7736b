"""The list of providers, and the choice among them."""

import subprocess
import sys

import pytest

from dockyard.core import paths
from dockyard.engine import providers
from dockyard.exceptions import UsageError


def test_learners_and_auto_are_offered_only_the_providers_for_learners():
    assert providers.LEARNER_CHOICES == ("auto", "local", "embedded", "machine")
    assert providers.ALL_CHOICES[4:] == ("docker-20", "docker-26", "podman")
    with pytest.raises(UsageError, match="no engine called"):
        providers.named("docker-27")


@pytest.mark.parametrize("provider", providers.ALL, ids=lambda provider: provider.name)
def test_every_engine_has_the_name_that_it_is_listed_by(provider):
    assert provider.engine().name == provider.name
    assert providers.named(provider.name).title


def test_the_names_are_known_without_importing_an_engine():
    program = (
        "import sys; from dockyard.engine import providers; "
        "print([name for name in sys.modules if name.startswith('dockyard.engine.')]); "
        "print({'docker', 'psutil', 'requests'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=paths.CHECKOUT, capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    assert done.stdout == "['dockyard.engine.providers']\nset()\n"
