"""What a further rendering shows is reported only if no rendering that ships shows it, as advice or not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from acceptance import checks
from acceptance.checks.component_view import ComponentView
from acceptance.checks.registry import Check, Violation
from acceptance.checks.renderings import check_all
from acceptance.checks.snapshot import Snapshot
from acceptance.core.target import Target

SHIPPED = Snapshot("static", ({"kind": "Service", "metadata": {"name": "one"}},))
OTHER_RELEASE = Snapshot("static", SHIPPED.objects, variant="another release name", advisory=True)


def reported(
    target: Target, shipped: tuple[bool, ...], others: tuple[bool, ...], *, strict: bool = False
) -> list[tuple[bool, str]]:
    """The findings, by whether they are advice and their rendering, of violations that are derived (True) or not."""

    def clauses(view: ComponentView) -> Iterator[Violation]:
        for derived in shipped if view.snapshot.variant == SHIPPED.variant else others:
            yield Violation("Service/one", "spec.type", "ClusterIP", "NodePort", derived=derived)

    check = Check("SVC-03", "static", None, (clauses,))
    subject = target.model_copy(update={"strict": strict})
    found = check_all(check, [(SHIPPED, subject)], [(OTHER_RELEASE, subject)])
    return [(each.advice, each.rendering) for each in found]


@pytest.mark.parametrize("strict", [True, False])
def test_finding_of_the_defaults_is_no_advice_again(target: Target, strict: bool) -> None:
    assert reported(target, (False,), (False,), strict=strict) == [(False, "")]


def test_advice_of_the_defaults_is_reported_once(target: Target) -> None:
    assert reported(target, (True,), (True,)) == [(True, "")]


def test_finding_of_another_rendering_alone_is_reported(target: Target) -> None:
    assert reported(target, (), (False,)) == [(True, OTHER_RELEASE.variant)]


def test_finding_of_another_rendering_is_more_than_advice(target: Target) -> None:
    other = Snapshot("static", SHIPPED.objects, variant="other values")

    def clauses(view: ComponentView) -> Iterator[Violation]:
        yield Violation("Service/one", "spec.type", "ClusterIP", "NodePort", derived=view.snapshot is SHIPPED)

    subject = target.model_copy(update={"strict": False})
    found = check_all(Check("SVC-03", "static", None, (clauses,)), [(SHIPPED, subject)], [(other, subject)])
    assert [(each.advice, each.rendering) for each in found] == [(True, ""), (False, "other values")]


def exposed(port: int) -> Snapshot:
    spec = {"type": "NodePort", "ports": [{"port": port, "nodePort": 30_080}]}
    service = {"kind": "Service", "metadata": {"name": "todo-backend-service"}, "spec": spec}
    return Snapshot("static", (service,), variant="" if port == 8000 else f"backend.port {port}")


@pytest.mark.parametrize("rule", ["SCY-05", "SCY-06"])
def test_unnamed_port_is_told_once_whatever_its_number(target: Target, rule: str) -> None:
    (check,) = (each for each in checks.for_level("static") if each.rule == rule)
    found = check_all(check, [(exposed(8000), target)], [(exposed(8123), target)])
    told = [each.field for each in found if each.object.startswith("Service/")]
    assert told == ["spec.type", "spec.ports[0].nodePort"]
