"""REL-01 of hooks: migrations that Helm runs for an installation are run for an upgrade too."""

from __future__ import annotations

from collections.abc import Iterator

from acceptance.checks.component_view import ComponentView
from acceptance.checks.registry import Violation, check
from acceptance.core.fields import list_at
from acceptance.core.migrations import migrates
from acceptance.kube import hooks
from acceptance.kube.pod_templates import image_reference


@check("REL-01", "static")
def migrations_precede_upgrades(view: ComponentView) -> Iterator[Violation]:
    """REL-01: a hook with the backend's image that migrates the database at an installation does so at upgrades too."""
    own = image_reference(view.main_container(view.pods[0]).image)[0]
    for pod in view.workloads():
        events = hooks.events(pod.owner)
        installing, upgrading = ({f"{when}-{what}" for when in ("pre", "post")} for what in ("install", "upgrade"))
        if not events & installing or events & upgrading:
            continue
        for container in pod.containers():
            words = [*list_at(container.body, "command"), *list_at(container.body, "args")]
            if image_reference(container.image)[0] == own and migrates(map(str, words)):
                expected = "pre-upgrade or post-upgrade too: a later version's migrations are never run"
                actual = ", ".join(sorted(events))
                yield Violation(pod.object, f"metadata.annotations[{hooks.HOOK}]", expected, actual, derived=True)
