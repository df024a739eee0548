"""Which live mutants share a release: those of one fault, and those whose faults can't meet.

Two mutants are of one fault if their edits give the same files. Two faults are independent only if all of this holds:

* both are named in `mutants/confined.py`, and neither may show in the other's test;
* their rules differ, or the components that they change, or both are named with single tests of their modules;
* they edit different files, or different lines of one, with at least a line between them.

A mutant is killed in a shared release only by a finding of its own rule in its own test. Whatever is not killed there
runs again in a release of its own, which alone decides; so no fault is lost behind another.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

from mutants import confined
from mutants.copies import changes_of, find_changes
from mutants.mutant import Mutant

Release = tuple[Mutant, ...]


def plan(mutants: Sequence[Mutant]) -> list[Release]:
    """Distribute mutants over few releases: each joins the first one whose mutants all admit it."""
    find_changes(mutants)
    releases: list[list[Mutant]] = []
    for mutant in mutants:
        for release in releases:
            if all(same_fault(mutant, other) or independent(mutant, other) for other in release):
                release.append(mutant)
                break
        else:
            releases.append([mutant])
    return [tuple(release) for release in releases]


def same_fault(first: Mutant, second: Mutant) -> bool:
    """Whether the edits of both give the same files; a test that judges all experiments of a run needs its own."""
    return not (first.experiment or second.experiment) and changes_of(first) == changes_of(second)


def independent(first: Mutant, second: Mutant) -> bool:
    """Whether two faults can be in one release; see the module's text."""
    if confined.may_show(first.name, second.test) or confined.may_show(second.name, first.test):
        return False
    changes, others = changes_of(first), changes_of(second)
    alike = first.rule == second.rule and components(changes) & components(others)
    if alike and not all(confined.by_test(each.name, module(each)) for each in (first, second)):
        return False
    return not any(changes[path].touches(others[path]) for path in changes.keys() & others.keys())


def module(mutant: Mutant) -> str:
    """The module of the mutant's test, without `test_`."""
    return PurePosixPath(mutant.test.partition("::")[0]).stem.removeprefix("test_")


def components(paths: Iterable[str]) -> set[str]:
    """What changed files belong to: the image of a component, or the chart."""
    images = {name: (f"app/{name}/", f"dockerfiles/{name}.") for name in ("backend", "frontend")}
    return {next((name for name, start in images.items() if path.startswith(start)), "chart") for path in paths}
