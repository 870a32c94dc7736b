"""Must run last: see tests/support/canary.py."""

import pytest

from tests.support import canary

pytestmark = pytest.mark.engine


def test_the_learners_own_objects_survived_the_whole_run(request):
    client = canary.daemon()
    try:
        assert canary.facts(client) == request.config.stash[canary.FACTS]
    finally:
        client.close()
