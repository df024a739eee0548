"""Generated mutants: their changes, the list of equivalent ones, and a sample of them."""

from __future__ import annotations

import pytest
from jsonschema import Draft7Validator

from acceptance.chart.renderer import Renderer
from acceptance.core.target import Target
from acceptance.kube.helm import find_helm
from mutants import equivalent
from mutants.__main__ import Total, main
from mutants.bases import base_snapshots
from mutants.generated import changes, constraints, objects, validation
from mutants.generated.changes import Field
from mutants.generated.constraints import Chart
from mutants.generated.judge import Judge
from mutants.options import rules

EVERY = 151
"""One mutant in so many is judged here; `make mutants` judges all."""
SAMPLE_MINIMUM = 0.8
"""Of the sample's score, which varies by some mutants; `python -m mutants` demands more of all."""


@pytest.fixture(scope="module")
def renderer(target: Target) -> Renderer:
    return Renderer(find_helm(), target)


@pytest.fixture(scope="module")
def judges(renderer: Renderer, target: Target) -> list[Judge]:
    unmodified = base_snapshots(renderer)
    return [Judge(unmodified[level], target) for level in ("static", "live")]


@pytest.fixture(scope="module")
def chart(renderer: Renderer) -> Chart:
    return Chart(renderer)


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        (("kind",), {"removed", "another word", "empty", "doubled"}),
        (("metadata", "labels", "app"), {"removed", "duplicated", "another word", "empty", "doubled", "one more"}),
        (("spec", "count"), {"removed", "one more", "one less", "zero", "doubled", "negated"}),
        (("spec", "on"), {"removed", "negated"}),
        (("spec", "names", 0), {"removed", "duplicated", "another word", "empty", "doubled"}),
        (("spec", "names"), {"removed", "empty"}),
    ],
)
def test_each_type_has_its_changes(field: Field, expected: set[str]) -> None:
    item = {
        "kind": "Thing",
        "metadata": {"labels": {"app": "a1"}},
        "spec": {"count": 3, "on": True, "names": ["x"]},
    }
    found = changes.changes(item, field)
    assert {each.name for each in found} == expected
    assert all(each.apply(item, field) != item for each in found)
    assert item["spec"] == {"count": 3, "on": True, "names": ["x"]}


def test_a_secret_is_changed_in_its_text() -> None:
    item = {"kind": "Secret", "data": {"KEY": "YWJj"}}
    assert {each.name: each.value for each in changes.changes(item, ("data", "KEY"))}["doubled"] == "YWJjYWJj"


def test_mutants_have_unique_names(judges: list[Judge], chart: Chart) -> None:
    names = [each.id for one in judges for each in one.mutants]
    names += [each.id for each in constraints.schema_mutants(chart.schema)]
    names += [each.id for each in validation.every(chart.validation)]
    assert len(set(names)) == len(names)


def test_a_rendered_field_changes_in_every_rendering(judges: list[Judge]) -> None:
    base = judges[0].base
    mutant = next(
        each
        for each in objects.every(base)
        if each.object == "Deployment/todo-backend" and each.path == "spec.progressDeadlineSeconds"
    )
    altered = mutant.apply(base)
    assert altered.objects != base.objects
    for name, rendering in objects.renderings_of(base).items():
        assert (objects.renderings_of(altered)[name] != rendering) == bool(rendering.objects)


def test_each_equivalent_entry_has_a_mutant(judges: list[Judge], chart: Chart) -> None:
    names = [each.id for one in judges for each in one.mutants]
    names += [each.id for each in constraints.schema_mutants(chart.schema)]
    entries = equivalent.load()
    assert entries
    assert len({each.pattern for each in entries}) == len(entries)
    for entry in entries:
        assert len(entry.reason) > 20
        assert any(entry.matches(name) for name in names), entry.pattern


def test_a_sample_of_mutants_is_killed(judges: list[Judge]) -> None:
    total = Total()
    for one in judges:
        for mutant in one.mutants[::EVERY]:
            finding = one.outcome(mutant).finding
            total.killed += finding is not None
            total.survived += finding is None and equivalent.find(mutant.id) is None
    assert total.score >= SAMPLE_MINIMUM


def test_each_constraint_has_a_refused_value(chart: Chart) -> None:
    def noticed(mutant: constraints.SchemaMutant) -> bool:
        validator = Draft7Validator(mutant.schema)
        return any(validator.is_valid(values) for _, values in chart.concerned(mutant))

    mutants = constraints.schema_mutants(chart.schema)
    assert [each.id for each in mutants if not noticed(each) and equivalent.find(each.id) is None] == []


def test_a_dropped_statement_of_the_template_is_noticed() -> None:
    text = 'a\n{{- define "x" }}\n{{- $problems = append $problems "y" -}}\n{{ end }}'
    (mutant,) = validation.every(text)
    assert (mutant.line, validation.concerned(mutant, text)) == (3, {3})
    assert '"#3#y"' in validation.numbered(text)


@pytest.mark.parametrize("argv", [["--rules", "FOO-99"], ["--rules", "DEP-0l"], ["--source", "x"], ["--x"]])
def test_wrong_options_are_refused_in_one_sentence(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(argv)
    assert stopped.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith("ERROR: ")
    assert error.count("\n") == 1


def test_rules_are_chosen_in_any_case() -> None:
    assert rules("dep-03, SVC-08", ["DEP-03", "SVC-08"]) == ["DEP-03", "SVC-08"]
    assert rules("", ["DEP-03"]) == []


def test_generated_mutants_have_no_rule(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--rules", "DEP-03", "--source", "schema"])
    assert "--source hand" in capsys.readouterr().err
