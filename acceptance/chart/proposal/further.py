"""The workloads of a chart beside backend and frontend, and the images that they need."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from acceptance.chart.proposal.dockerfiles import Dockerfile, named_like
from acceptance.core.fields import Object, at, text_at
from acceptance.core.values import leaves
from acceptance.kube.pod_templates import WORKLOADS, Pod, image_reference, pod_of

HEADING = (
    "Further workloads, which `make e2e` installs too: each needs an image that the cluster can pull, one that a\n"
    "run builds ([[images]]), or a value under [overrides] that switches it off."
)


def further_workloads(objects: Iterable[Object], components: Mapping[Any, Mapping[str, Any]]) -> list[Pod]:
    """Return the workloads that are no component."""
    own = {f"Deployment/{part['deployment']}" for part in components.values()}
    found = [pod for item in objects if text_at(item, "kind") in WORKLOADS and (pod := pod_of(item)) is not None]
    return list({pod.object: pod for pod in found if pod.object not in own}.values())


def further_note(
    workloads: Sequence[Pod],
    unused: Sequence[Dockerfile],
    files: Sequence[Path],
    values: Mapping[str, Any],
    shown: Callable[[Path], str],
) -> str:
    """Return the note on the workloads, with an entry for each image whose Dockerfile and values are found.

    Args:
        workloads: The further workloads.
        unused: The Dockerfiles that are no component's.
        files: The project's files.
        values: The chart's values.
        shown: Returns a path as the target file writes it.
    """
    lines = [HEADING]
    entered: set[str] = set()
    for pod in workloads:
        references = list(dict.fromkeys(each.image for each in pod.containers() if not each.init or each.sidecar))
        lines.append(f"  {pod.object}: {', '.join(references)}")
        for reference in references:
            repository, tag, _ = image_reference(reference)
            paths = _value_paths(values, repository, tag)
            file = named_like(unused, [pod.name, repository.rpartition("/")[2]])
            if paths and file and repository not in entered:
                entered.add(repository)
                entry = {
                    "repository": repository,
                    "dockerfile": shown(file.path),
                    "context": shown(file.context(files)[0]),
                    "image_repository": paths[0],
                    "image_tag": paths[1],
                }
                lines.append("    [[images]]")
                lines += [f"    {key} = {json.dumps(text, ensure_ascii=False)}" for key, text in entry.items()]
    return "\n".join(lines)


def _value_paths(values: Mapping[str, Any], repository: str, tag: str) -> tuple[str, str] | None:
    """Return the only paths of values beside each other that have an image's repository and its tag."""
    tags = {".".join(keys): ".".join((*keys[:-1], "tag")) for keys, value in leaves(values) if value == repository}
    found = [(path, beside) for path, beside in tags.items() if str(at(values, beside)) == tag]
    return found[0] if len(found) == 1 else None
