"""Refusals by values.schema.json, whose words are Helm's: what they repeat, and what they may refuse."""

from __future__ import annotations

from dataclasses import replace

import pytest

from acceptance import checks
from acceptance.chart.renderer import Renderer
from acceptance.checks.snapshot import Rendering
from acceptance.core.target import Target
from acceptance.kube.helm import find_helm

BY_SCHEMA = (
    "values don't meet the specifications of the schema(s) in the following chart(s): todo-chatbot: - at "
    "'/secrets/openaiApiKey': '{given}' does not match pattern '^sk-proj-'"
)
BY_TEMPLATE = "execution error at (todo-chatbot/templates/secrets.yaml:1:4): secrets.openaiApiKey: {given} is no key"


@pytest.mark.parametrize(
    ("message", "strict", "advice"),
    [(BY_SCHEMA, False, True), (BY_SCHEMA, True, False), (BY_TEMPLATE, False, False), (BY_TEMPLATE, True, False)],
)
def test_refusal_that_repeats_a_credential(message: str, strict: bool, advice: bool, target: Target) -> None:
    base = Renderer(find_helm(), target).snapshot()
    assert base.chart is not None
    assert base.chart.secret_probes is not None
    probes = base.chart.secret_probes
    refused = {
        key: replace(each, rendering=Rendering(error=message.format(given=each.given)))
        for key, each in probes.malformed.items()
    }
    repeating = replace(base, chart=replace(base.chart, secret_probes=replace(probes, malformed=refused)))
    rules = [each for each in checks.for_level("static") if each.rule == "SCY-08"]
    results = checks.run_checks(repeating, target.model_copy(update={"strict": strict}), rules)
    assert [each.advice for each in results.findings] == [advice] * len(refused)
