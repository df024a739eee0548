"""Whether the edits of live mutants apply to the present tree, without a cluster and without Docker."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from acceptance.chart.renderer import Renderer
from acceptance.core.target import load
from acceptance.kube.helm import Helm
from mutants.copies import changes_of, copied, edited
from mutants.releases import Release


def problems(releases: Iterable[Release], helm: Helm | None) -> Iterator[str]:
    """Yield what is wrong: of each mutant by itself, then of each release with several.

    Args:
        releases: The releases that the mutants are distributed over.
        helm: Renders each changed chart; None to render none.
    """
    with copied() as root:
        for release in releases:
            faulty = [f"{mutant.name}: {problem}" for mutant in release for problem in _problems(root, (mutant,), helm)]
            yield from faulty
            if len(release) > 1 and not faulty:
                names = ", ".join(mutant.name for mutant in release)
                yield from (f"together ({names}): {problem}" for problem in _problems(root, release, helm))


def _problems(root: Path, release: Release, helm: Helm | None) -> Iterator[str]:
    try:
        with edited(root, *release) as changed:
            yield from _unchanged(release, {str(path.relative_to(root)) for path in changed})
            yield from _uncompiled(changed, root)
            if helm is not None and any(path.is_relative_to(root / "chart") for path in changed):
                renderer = Renderer(helm, load(root / "target.toml"))
                if error := renderer.render(renderer.required()).error:
                    yield f"the chart does not render: {error}"
    except ValueError as error:
        yield str(error)


def _unchanged(release: Release, changed: set[str]) -> Iterator[str]:
    for mutant in release:
        expected = changes_of(mutant).keys() if len(release) > 1 else changed
        if not expected or len(expected) > len(mutant.edits) or not expected <= changed:
            yield f"{len(mutant.edits)} edits change {sorted(expected)}"


def _uncompiled(changed: Iterable[Path], root: Path) -> Iterator[str]:
    for path in changed:
        if path.suffix == ".py":
            try:
                compile(path.read_text(encoding="utf-8"), str(path), "exec")
            except SyntaxError as error:
                yield f"{path.relative_to(root)} is no Python: {error}"
