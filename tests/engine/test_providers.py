"""The list of providers, and the choice among them."""

import subprocess
import sys

import pytest

from dockyard.core import paths
from dockyard.engine import providers
from dockyard.exceptions import UsageError
from tests.engines import PROVIDERS

FOR_LEARNERS = ("auto", "local", "embedded", "machine")


@pytest.fixture
def tests_engines(monkeypatch):
    monkeypatch.setenv(providers.VARIABLE, "tests.engines")


def test_tests_add_their_engines_and_learners_are_not_offered_them(tests_engines):
    assert providers.LEARNER_CHOICES == FOR_LEARNERS
    assert providers.choices() == (*FOR_LEARNERS, "old-store", "docker-20", "bare", "podman")


def test_without_the_tests_only_the_engines_for_learners_are_known(monkeypatch):
    monkeypatch.delenv(providers.VARIABLE, raising=False)
    assert providers.choices() == FOR_LEARNERS
    with pytest.raises(UsageError, match="no engine called 'podman'") as caught:
        providers.named("podman")
    assert caught.value.next == "Choose one of: auto, local, embedded, machine."


@pytest.mark.parametrize(
    "provider", [*providers.FOR_LEARNERS, *PROVIDERS], ids=lambda provider: provider.name
)
def test_every_engine_has_the_name_that_it_is_listed_by(provider, tests_engines):
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
