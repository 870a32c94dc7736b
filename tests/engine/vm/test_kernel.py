from __future__ import annotations

import pytest

from dockyard.engine.vm import kernel
from dockyard.exceptions import InstallFailed


@pytest.fixture(params=kernel.FLAVORS.values(), ids=kernel.FLAVORS)
def flavor(request):
    return request.param


def test_a_kernel_that_lost_an_option_is_not_built(flavor):
    asked = flavor.config()
    with pytest.raises(InstallFailed, match="CONFIG_OVERLAY_FS=y"):
        flavor.check(asked.replace("CONFIG_OVERLAY_FS=y", ""))
    flavor.check(asked)


def test_every_kernel_option_has_its_reason_nearby(flavor):
    """No more than 18 options in a row without a comment or a heading."""
    run = 0
    for line in flavor.config().splitlines():
        run = run + 1 if line.startswith("CONFIG_") else 0 if line.startswith("#") else run
        assert run <= 18, line
