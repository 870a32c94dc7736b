"""What repo2docker, which builds Binder's image, makes of ``binder/``.

It prints the Dockerfile without a Docker engine.
"""

import re
import subprocess
import sys

import pytest

from dockyard.core import paths


@pytest.fixture(scope="module")
def dockerfile():
    """The Dockerfile, without comments and with its continued lines joined."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "repo2docker", "--no-build", "--debug"),
            *("--user-id", "1000", "--user-name", "jovyan", "."),
        ],
        cwd=paths.CHECKOUT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    text = re.sub(r"^ *#.*\n", "", done.stdout, flags=re.MULTILINE)
    return re.sub(r" *\\\n *", " ", text)


def steps(dockerfile, *patterns):
    """The first match of each pattern, which must come in this order."""
    found = [re.search(pattern, dockerfile, re.MULTILINE) for pattern in patterns]
    assert all(found), [p for p, match in zip(patterns, found, strict=True) if not match]
    places = [match.start() for match in found]
    assert places == sorted(places), found
    return found


def test_the_systems_packages_are_those_of_apt_txt(dockerfile):
    (installed,) = steps(dockerfile, r"apt-get install --yes --no-install-recommends (bc .*?) &&")
    assert installed[1].split() == (paths.CHECKOUT / "binder" / "apt.txt").read_text().split()


def test_packages_are_installed_once_the_checkout_is_there_and_before_the_build(dockerfile):
    """requirements.txt and the editable install are files of the checkout."""
    steps(
        dockerfile,
        r"^COPY --chown=1000:1000 src/ \$\{REPO_DIR\}/$",
        r'^RUN .*env update -p \$\{NB_PYTHON_PREFIX\} --file "binder/environment.yml"',
        r"^RUN \./binder/postBuild$",
    )


def test_a_launch_begins_with_binder_start(dockerfile):
    steps(dockerfile, r'^ENV R2D_ENTRYPOINT="\$\{REPO_DIR\}/binder/start"$', r"^ENTRYPOINT ")


def test_python_is_the_oldest_that_the_course_supports(dockerfile):
    """The stored outputs are compared there."""
    steps(dockerfile, r"^COPY .*environment-2epy-2d3-2e11-2dlinux")
