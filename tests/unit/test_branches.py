"""Branches of templates: what each contains, what decides it, and the text in which it is taken."""

from __future__ import annotations

import pytest

from acceptance.chart.branches import branches, depends_on

CHAIN = "{{- if not .a }}one{{ else if and .b (eq .c `}}`) -}}two{{ else }}three{{ end }}"


def test_text_without_conditions_has_no_branch() -> None:
    assert list(branches('{{ define "a" }}{{ .x }}{{/* {{ if }} */}}{{ end }}{{ include "a" . }}')) == []


def test_each_branch_of_a_chain_is_taken() -> None:
    one, two, three = branches(CHAIN)
    assert [each.content for each in (one, two, three)] == ["one", "two", "three"]
    assert one.taken == (CHAIN.replace("if not .a", "if true", 1),)
    assert two.taken == (
        "{{- if false }}one{{ else if true -}}two{{ else }}three{{ end }}",
        "{{- if not .a }}one{{ else if true -}}two{{ else }}three{{ end }}",
    )
    assert three.taken == ("{{- if false }}one{{ else if false -}}two{{ else }}three{{ end }}",)
    assert three.conditions == ("not .a", "and .b (eq .c `}}`)")


def test_branch_within_others_is_taken() -> None:
    inner, outer = branches("{{ with .a }}x{{ range $i, $e := .b }}{{ $e }}{{ end }}y{{ end }}")
    assert (inner.content, outer.content) == ("{{ $e }}", "x{{ range $i, $e := .b }}y")
    assert inner.taken == (
        '{{ with default (dict "acceptance" "1") (.a) }}x'
        '{{ range $i, $e := default (list (dict "acceptance" "1")) (.b) }}{{ $e }}{{ end }}y{{ end }}',
    )


def test_definition_does_not_contain_what_surrounds_it() -> None:
    (only,) = branches('{{ define "a" }}x{{ if .b }}y{{ end }}{{ end }}z')
    assert only.content == "y"


@pytest.mark.parametrize(
    ("condition", "values"),
    [
        ("false", set()),
        ('eq "a.b" "$"', set()),
        (".Values.a.b", {"a.b"}),
        ("and $.Values.a (not .Values.b.c)", {"a", "b.c"}),
        (".a", None),
        ("or .Values.a .Release.IsUpgrade", None),
        ("$name", None),
    ],
)
def test_what_a_condition_depends_on(condition: str, values: set[str] | None) -> None:
    assert depends_on(condition) == values
