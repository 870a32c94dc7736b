"""Addresses on GitHub, Binder and Codespaces: of the repository, a launch, an issue form.

The repository's address is in pyproject.toml (``project.urls``). On GitHub Actions it is that of
the repository whose workflow runs, so that the site of a fork launches the fork.
``python -m dockyard.authoring.launch_links OWNER/NAME`` writes another one into pyproject.toml and
README.md; with ``--check`` it only compares.
"""

from __future__ import annotations

import os
import re
import sys
import tomllib
from pathlib import Path, PurePosixPath
from urllib.parse import quote, urlencode

from dockyard.core import paths
from dockyard.learner_copy import course_folder

GITHUB = "https://github.com"
README = paths.CHECKOUT / "README.md"
PROJECT = paths.CHECKOUT / "pyproject.toml"


def named() -> str:
    """OWNER/NAME of the repository, from pyproject.toml."""
    address: str = tomllib.loads(PROJECT.read_text())["project"]["urls"]["Repository"]
    return address.removeprefix(f"{GITHUB}/")


def slug() -> str:
    """OWNER/NAME of the repository for which a site is built."""
    return os.environ.get("GITHUB_REPOSITORY") or named()


def repository() -> str:
    """The repository's page on GitHub."""
    return f"{GITHUB}/{slug()}"


def source(path: Path) -> str:
    """The page of a file or folder of the checkout on GitHub."""
    kind = "tree" if path.is_dir() else "blob"
    return f"{repository()}/{kind}/HEAD/{path.relative_to(paths.CHECKOUT).as_posix()}"


def binder(page: PurePosixPath = course_folder.START) -> str:
    """A launch on Binder that opens a page, whose path in the checkout is given.

    binder/start serves the learner's copy, where the page has the same path. What Binder does with
    urlpath: https://mybinder.readthedocs.io/en/latest/howto/user_interface.html
    """
    return f"https://mybinder.org/v2/gh/{slug()}/HEAD?urlpath={quote(f'lab/tree/{page}', safe='')}"


def codespaces() -> str:
    """A launch on GitHub Codespaces, which resumes the visitor's last one.

    https://docs.github.com/codespaces (Facilitating quick creation and resumption of codespaces)
    """
    return f"https://codespaces.new/{slug()}?quickstart=1"


def website(of: str = "") -> str:
    """The site's address on GitHub Pages; of is OWNER/NAME, by default of this repository."""
    owner, _, name = (of or slug()).partition("/")
    return f"https://{owner.lower()}.github.io/{name}/"


def issue(form: str, **fields: str) -> str:
    """A new issue with a form of .github/ISSUE_TEMPLATE, its fields filled in by their ids."""
    return f"{repository()}/issues/new?{urlencode({'template': f'{form}.yml', **fields})}"


def written(text: str, old: str, new: str) -> str:
    """A text in which every address of one repository is that of another."""
    hosts = "github.com|mybinder.org/v2/gh|codespaces.new"
    text = re.sub(rf"(https://(?:{hosts})/){re.escape(old)}\b", rf"\g<1>{new}", text)
    return text.replace(website(old), website(new))


def main(words: list[str]) -> int:
    """Write or check the repository's address; return 1 if it is another one."""
    (new,) = [word for word in words if word != "--check"]
    if "--check" in words:
        if new != named():
            print(
                f"The links lead to {named()}, but this is {new}.\n"
                f"Change them:  python3 -m dockyard.authoring.launch_links {new}",
                file=sys.stderr,
            )
        return int(new != named())
    old = named()
    for file in (PROJECT, README):
        file.write_text(written(file.read_text(), old, new))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
