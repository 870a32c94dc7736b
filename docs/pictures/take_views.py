"""Takes the pictures of the views in JupyterLab, for docs/views.md.

``python -m dockyard engine start``, then in its environment (``engine env``)
``python docs/pictures/take_views.py [NAME …]``. Needs Chromium (apt-get install chromium).
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent.parent))

from tests.browser.jupyterlab_page import THEMES, Lab, headless_chromium, screen  # noqa: E402

WIDTH, HEIGHT = 1280, 1000
COLOURS = 128
REST = 2500
"""Milliseconds until changes are no longer highlighted."""

BEGIN = "%load_ext dockyard\n%lesson pictures\nfrom dockyard import views"
END = "%load_ext dockyard\n%lesson pictures\n%tidy"
FOLDER = """\
from pathlib import Path
folder = Path("shop")
folder.mkdir(exist_ok=True)
(folder / "app.py").write_text("print(1)\\n" * 300)
_ = (folder / "Dockerfile").write_text('''\\
FROM busybox
LABEL dockyard.lesson=pictures
RUN mkdir /site && echo hello > /site/index.html
COPY app.py /app/app.py
RUN rm /site/index.html
CMD ["sh"]
''')"""
SLEEPER = "docker run --detach --init --name {} {} busybox sleep 1000 > /dev/null"

SCENES = {
    "panel": (
        "%%bash\ndocker network create back > /dev/null\ndocker volume create notes > /dev/null\n"
        + SLEEPER.format("web", "--network back")
        + "\ndocker run --name job busybox true\ndocker create --name next busybox > /dev/null\n"
        + SLEEPER.format("store", "--volume notes:/data")
        + "\ndocker pause store > /dev/null",
        "views.panel()",
    ),
    "life-cycle": ("!" + SLEEPER.format("web", ""), "views.life_cycle('web')"),
    "network-map": (
        "%%bash\nfor name in back front; do docker network create $name > /dev/null; done\n"
        "docker run --detach --init --name web --publish 127.0.0.1::80 --network front "
        "busybox httpd -f -p 80 > /dev/null\ndocker network connect back web\n"
        "docker run --detach --init --name store --network back "
        "busybox httpd -f -p 6379 > /dev/null\n" + SLEEPER.format("other", ""),
        "found = views.network_map()\nfound.try_connection('other', 'store', 6379)\nfound",
    ),
    "layers": (
        FOLDER,
        "%%bash\nDOCKER_BUILDKIT=0 docker build --quiet --tag shop:1 shop 2>&1 > /dev/null\n"
        "docker run --detach --init --name shop shop:1 "
        "sh -c 'echo a > /app/new; sleep 1000' > /dev/null",
        "views.layers('shop:1', 'shop')",
    ),
    "build": (FOLDER, "views.build('shop', 'shop:1')"),
    "pull": (
        "!docker pull --quiet debian:trixie-slim > /dev/null; docker rmi --force redis:8",
        "views.pull('redis:8')",
    ),
    "registry": ("views.registry_browser(open='library/busybox:latest')",),
}


def main(names: list[str]) -> None:
    """Write view-NAME-light.png and view-NAME-dark.png for each view beside this file."""
    if unknown := set(names) - set(SCENES):
        raise SystemExit(f"no such view: {', '.join(sorted(unknown))}; {', '.join(SCENES)}")
    with (
        tempfile.TemporaryDirectory() as folder,
        headless_chromium() as browser,
        Lab(Path(folder)) as lab,
    ):
        for theme in THEMES:
            for name in names or SCENES:
                _take(lab, browser, theme, name)


def _take(lab: Lab, browser: Browser, theme: str, name: str) -> None:
    with screen(lab, browser, viewport={"width": WIDTH, "height": HEIGHT}) as shown:
        shown.open(lab.write(f"{name}-{theme}.ipynb", [BEGIN, *SCENES[name]]))
        shown.theme(theme)
        shown.run_all()
        shown.page.wait_for_timeout(REST)
        file = HERE / f"view-{name}-{theme}.png"
        shown.page.locator(".dockyard-view:visible").last.screenshot(path=file)
    with Image.open(file) as picture:
        few = picture.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    few.save(file, optimize=True)
    with screen(lab, browser) as shown:
        shown.open(lab.write("tidy.ipynb", [END]))
        shown.run_all()


if __name__ == "__main__":
    main(sys.argv[1:])
