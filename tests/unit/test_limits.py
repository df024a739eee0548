"""Limits: cgroups are found and read in both versions, and each way in which a limit does not hold is a finding."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from acceptance.checks.finding import Untested
from acceptance.core.interval import Interval
from acceptance.core.wait import WaitError
from acceptance.experiments import limits
from acceptance.experiments.experiment import WaitResult
from acceptance.experiments.limits import CpuLoad, MemoryLoad
from acceptance.experiments.pressure import CpuUse, cpu_use, limits_of
from acceptance.provision.cgroups import cgroup_paths
from acceptance.traffic.availability import Availability
from acceptance.traffic.records import InconclusiveSampleError, Record

V1 = "9:name=systemd:/pod/c\n4:memory:/pod/c\n2:cpu,cpuacct:/pod/c\n0::/pod/c\n"
NODE = ("idle 100\ntotal 200\nend\n", "idle 200\ntotal 600\nend\n")
READINGS_V1 = (
    f"1000000000\n50\nnr_periods 4\nnr_throttled 1\n{NODE[0]}3000000000\n1000000050\nnr_throttled 9\n{NODE[1]}"
)
READINGS_V2 = (
    f"1000000000\nusage_usec 500\nnr_throttled 0\n{NODE[0]}3000000000\nusage_usec 1000500\nnr_throttled 3\n{NODE[1]}"
)
QUIET, LOADED = Interval(0, 9), Interval(10, 20)


def pod(*, restarts: int = 0, reason: str = "OOMKilled") -> dict[str, Any]:
    status = {
        "name": "api",
        "restartCount": restarts,
        "lastState": {"terminated": {"reason": reason, "exitCode": 137}},
    }
    return {
        "metadata": {"name": "shop-api-1"},
        "spec": {"containers": [{"name": "api", "resources": {"limits": {"cpu": "500m", "memory": "512Mi"}}}]},
        "status": {"containerStatuses": [status]},
    }


CPU = CpuLoad(pod(), "api", Decimal("0.5"), CpuUse(0.5, 80, 0.6), LOADED)
RESTARTED = WaitResult[Any](3.0, pod(restarts=1))
MEMORY = MemoryLoad(
    pod(),
    "api",
    Decimal(1),
    RESTARTED,
    {("shop-api-1", "api"): 0, ("web", "web"): 2},
    {("shop-api-1", "api"): 1, ("web", "web"): 2},
)


def answers(quiet: float, loaded: float, *, status: int = 200) -> Availability:
    def record(number: int, sent: float, seconds: float) -> Record:
        return Record(number, sent, sent, sent + seconds, 0, 0, 0, status, "", True, False, "")

    return Availability((*(record(n, n, quiet) for n in range(10)), *(record(n, n, loaded) for n in range(10, 20))), ())


def test_pods_of_jobs_are_no_neighbours() -> None:
    job = pod(restarts=3) | {"metadata": {"name": "cleanup-1"}, "spec": {"restartPolicy": "OnFailure"}}
    assert limits.restart_counts([pod(restarts=1), job]) == {("shop-api-1", "api"): 1}


def memory_defects(load: MemoryLoad) -> list[str]:
    return [f"{finding.object} {finding.field}" for finding in limits.memory_findings(load)]


def test_cgroups_of_both_versions_are_found() -> None:
    paths = cgroup_paths(V1)
    assert paths["memory"] == "/sys/fs/cgroup/memory/pod/c"
    assert paths["cpuacct"] == "/sys/fs/cgroup/cpu,cpuacct/pod/c"
    assert cgroup_paths("0::/pod/c\n") == {"": "/sys/fs/cgroup/pod/c"}


@pytest.mark.parametrize(("text", "use"), [(READINGS_V1, CpuUse(0.5, 8, 0.25)), (READINGS_V2, CpuUse(0.5, 3, 0.25))])
def test_cpu_use_is_read_in_both_versions(text: str, use: CpuUse) -> None:
    assert cpu_use(text) == use


def test_limits_are_those_of_the_specification() -> None:
    found = limits_of(pod(), "api")
    assert (found.cpu, found.memory) == (Decimal("0.5"), Decimal(512 * 2**20))
    assert limits_of(pod(), "other").memory is None


def test_use_beyond_the_cpu_limit_is_a_finding() -> None:
    assert [*limits.cpu_findings(CPU, 2)] == []
    assert "1.20 cores" in next(limits.cpu_findings(replace(CPU, use=CpuUse(1.2, 0, 0.2)), 2)).actual
    assert next(limits.cpu_findings(replace(CPU, limit=None), 2)).actual == "no limit"
    with pytest.raises(Untested, match="can't be reached"):
        next(limits.cpu_findings(CPU, 0))
    with pytest.raises(InconclusiveSampleError, match="not at its limit"):
        next(limits.cpu_findings(replace(CPU, use=CpuUse(0.2, 0, 0.7)), 2))


def test_container_at_its_limit_slows() -> None:
    assert [*limits.slowdown_findings(CPU, answers(0.02, 0.1), QUIET)] == []
    assert [*limits.slowdown_findings(CPU, answers(0.02, 0.02), QUIET)]


def test_neighbours_answer_as_before() -> None:
    assert limits.neighbour_findings("Deployment/api", answers(0.02, 0.15), QUIET, LOADED) == []
    assert limits.neighbour_findings("Deployment/api", answers(0.02, 0.2), QUIET, LOADED)
    with pytest.raises(InconclusiveSampleError):
        limits.p95(Availability((), ()))


def test_slow_neighbours_on_a_full_node_are_inconclusive() -> None:
    slow = limits.neighbour_findings("Deployment/api", answers(0.02, 0.2), QUIET, LOADED)
    full = replace(CPU, use=CpuUse(0.5, 80, 0.01))
    with pytest.raises(InconclusiveSampleError, match=r"1% was left, and api used 0\.50 of 0\.5 cores"):
        limits.raise_if_node_was_full(full, slow)
    limits.raise_if_node_was_full(full, [])
    for explained in (CPU, replace(full, limit=None), replace(full, use=CpuUse(1.9, 0, 0.01))):
        limits.raise_if_node_was_full(explained, slow)


def test_only_the_container_beyond_its_memory_restarts_once() -> None:
    assert memory_defects(MEMORY) == []
    assert memory_defects(replace(MEMORY, restarted=None)) == ["Pod/shop-api-1 api: memory"]
    failed = WaitResult[Any](30.0, WaitError("restarts: 0"))
    assert memory_defects(replace(MEMORY, restarted=failed)) == ["Pod/shop-api-1 api: memory"]
    other = WaitResult[Any](3.0, pod(restarts=1, reason="Error"))
    assert memory_defects(replace(MEMORY, restarted=other)) == ["Pod/shop-api-1 api: memory: cause of the restart"]
    twice = {("shop-api-1", "api"): 2, ("web", "web"): 2}
    assert memory_defects(replace(MEMORY, after=twice)) == ["Pod/shop-api-1 api: restartCount"]
    both = {("shop-api-1", "api"): 1, ("web", "web"): 3}
    assert memory_defects(replace(MEMORY, after=both)) == ["Pod/web web: restartCount"]
    alone = {("shop-api-1", "api"): 1}
    assert memory_defects(replace(MEMORY, after=alone)) == ["Pod/shop-api-1 api: memory: other pods"]
