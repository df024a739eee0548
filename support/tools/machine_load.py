"""Samples of the machine's load: the CPU time that its hypervisor withheld, and how late this process was woken."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from pathlib import Path

INTERVAL_SECONDS = 0.25
KEPT = 4 * 3600
"""How many samples are kept: an hour's."""
STAT = Path("/proc/stat")
"""The machine's, also in a container."""
STEAL = 7
"""Place of the withheld time among the first line's figures (proc_stat(5)); user to steal are the first eight."""


class MachineLoad:
    """The newest samples: moment in seconds since the epoch, share of CPU time withheld, seconds of lateness."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, float, float]] = deque(maxlen=KEPT)

    def since(self, moment: float) -> list[tuple[float, float, float]]:
        """Return the samples from `moment` on, in seconds since the epoch."""
        return [sample for sample in self._samples if sample[0] >= moment]

    async def sample(self) -> None:
        """Take a sample every `INTERVAL_SECONDS`, until it is cancelled."""
        times = cpu_times()
        while True:
            due = time.monotonic() + INTERVAL_SECONDS
            await asyncio.sleep(INTERVAL_SECONDS)
            late = max(0.0, time.monotonic() - due)
            before, times = times, cpu_times()
            spent = [after - earlier for earlier, after in zip(before, times, strict=True)]
            stolen = spent[STEAL] / sum(spent) if len(spent) > STEAL and sum(spent) > 0 else 0.0
            self._samples.append((round(time.time(), 3), round(stolen, 4), round(late, 4)))


def cpu_times() -> list[int]:
    """Return the machine's CPU time by kind, in clock ticks since it started; empty where the kernel does not tell."""
    try:
        first, *_ = STAT.read_text(encoding="ascii").splitlines()
    except (OSError, ValueError):
        return []
    return [int(figure) for figure in first.split()[1 : STEAL + 2]]
