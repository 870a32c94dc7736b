from __future__ import annotations

import pytest

from dockyard.engine.vm import resources


@pytest.mark.parametrize(
    ("total", "given"),
    [(1024, None), (1536, 896), (2048, 1408), (8192, 4096), (65536, 4096)],
)
def test_memory_is_sized_from_what_may_be_used(total, given):
    found = resources.machine_memory(total * resources.MiB)
    assert found == (given and given * resources.MiB)


def test_machines_of_a_busy_computer_are_spread_over_its_cpus():
    assert resources.least_busy([90.0, 7.0, 55.0], {0, 1, 2}) == 1
    assert resources.least_busy([90.0, 7.0, 55.0], {0, 2}) == 2
    chosen = {resources.least_busy([99.0, 100.0, 98.0, 3.0], {0, 1, 2}) for _ in range(200)}
    assert chosen == {0, 1, 2}


def test_a_limit_of_any_group_above_counts(tmp_path):
    (tmp_path / "user" / "session").mkdir(parents=True)
    (tmp_path / "user" / "memory.max").write_text("2147483648\n")
    (tmp_path / "user" / "session" / "memory.max").write_text("max\n")
    assert list(resources.cgroup_limits("0::/user/session\n", tmp_path)) == [2147483648]
    (tmp_path / "memory").mkdir()
    (tmp_path / "memory" / "memory.limit_in_bytes").write_text("1073741824\n")
    seen = "5:cpu,cpuacct:/docker/abc\n4:memory:/docker/abc\n"
    assert list(resources.cgroup_limits(seen, tmp_path)) == [1073741824]
