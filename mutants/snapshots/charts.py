"""Mutants of the chart."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from acceptance.checks.snapshot import Dependency, Rendering
from mutants.draft import REMOVE, Body, Draft, put
from mutants.snapshots.registry import encoded, field, fields, for_component, mutable, mutant

fields(
    "CHT-01",
    Draft.chart_file,
    "name",
    {"an underscore": "todo_chatbot", "a space": "a b", "another": "x", "none": REMOVE},
)
fields(
    "CHT-02",
    Draft.chart_file,
    "version",
    {"two numbers": "1.0", "a v": "v1.0.0", "a zero": "01.0.0", "another": "2.0.0", "none": REMOVE},
)
fields("CHT-03", Draft.chart_file, "appVersion", {"absent": REMOVE, "empty": "", "another": "9"})
fields("CHT-04", Draft.chart_file, "description", {"absent": REMOVE, "empty": "", "201 characters": "x" * 201})
fields("CHT-05", Draft.chart_file, "apiVersion", {"v1": "v1", "absent": REMOVE})
field("CHT-06", "library", Draft.chart_file, "type", "library")
mutant("CHT-07", "missing")(lambda draft: draft.change_chart(dependencies=(Dependency("redis", "1.0.0", "missing"),)))
mutant("CHT-07", "wrong version")(
    lambda draft: draft.change_chart(dependencies=(Dependency("redis", "1.0.0", "wrong version"),))
)
mutant("CHT-08", "51 files")(
    lambda draft: draft.change_chart(
        templates={f"templates/_{i}.tpl": "" for i in range(50)} | {"templates/NOTES.txt": ""}
    )
)
mutant("CHT-08", "no file")(lambda draft: draft.change_chart(templates={}))
for missing in ("_", "NOTES.txt"):

    @mutant("CHT-08", f"no {missing} file")
    def _without_file(draft: Draft, missing: str = missing) -> None:
        kept = {p: t for p, t in draft.chart.templates.items() if not p.rpartition("/")[2].startswith(missing)}
        draft.change_chart(templates=kept)


for kind, name in (
    ("Deployment", "todo-backend"),
    ("Deployment", "todo-frontend"),
    ("Service", "todo-backend-service"),
    ("Service", "todo-frontend-service"),
    ("ConfigMap", "todo-chatbot-config"),
    ("Secret", "todo-chatbot-secrets"),
):

    @mutant("CHT-08", f"no {kind} {name}")
    def _without_object(draft: Draft, kind: str = kind, name: str = name) -> None:
        draft.drop_objects(lambda item: (item["kind"], item["metadata"]["name"]) == (kind, name))


def namespace_on(draft: Draft) -> tuple[Body, ...]:
    """Return the objects as rendered with the Namespace."""
    on = draft.chart.namespace_on
    assert on is not None
    return on.objects  # type: ignore[return-value]


@mutant("CHT-08", "no Namespace")
def _without_namespace(draft: Draft) -> None:
    draft.change_chart(namespace_on=Rendering(tuple(o for o in namespace_on(draft) if o["kind"] != "Namespace")))


mutant("CHT-09", "does not render", "static")(
    lambda draft: draft.fail_rendering("nil pointer evaluating interface {}.tag")
)


@mutant("CHT-09", "another rendering the second time", "static")
def _unstable(draft: Draft) -> None:
    item = next(item for item in draft.objects() if item["kind"] == "Secret")
    item["data"]["BETTER_AUTH_SECRET"] = encoded("x" * 40)


mutant("CHT-09", "an object twice", "static")(lambda draft: draft.add_objects(draft.objects()[0]))
for clause, path, value in (
    ("an unknown field", "spec.replica", 2),
    ("a string for a number", "spec.replicas", "two"),
    ("a number for a string", "metadata.labels.port", 5432),
    ("no template", "spec.template", REMOVE),
):

    @mutant("CHT-09", clause, "static")
    def _misshapen(draft: Draft, path: str = path, value: Any = value) -> None:
        item = next(item for item in draft.objects() if item["kind"] == "Deployment")
        put(item, path, value)


for text in ("http://todo:%!d(float64=5432)", "<no value>", "map[cpu:1]", "%!s(<nil>)"):
    field("CHT-09", f"template error {text[:12]}", Draft.config_map, "data.TEXT", text, "static")
for text in ("http://{{ .Release.Name }}-api", '{{ include "todo.name" . }}', "{{- tpl .Values.name $ -}}"):

    @mutant("CHT-09", f"template not filled in {text[:14]}", "static")
    def _not_filled_in(draft: Draft, text: str = text) -> None:
        draft.config_map()[0]["data"]["TEXT"] = text
        rendering = replace(draft.chart.rendering, objects=draft.snapshot.objects)
        draft.change_chart(rendering=rendering, rerendering=rendering)


@mutant("CHT-09", "a number as an exponent", "static")
def _exponent(draft: Draft) -> None:
    put(mutable(draft.chart.values), "config.extra", {"LIMIT": 10485760})
    put(draft.config_map()[0], "data.LIMIT", "1.048576e+07")


@mutant("CHT-09", "a list as Go prints it", "static")
def _go_list(draft: Draft) -> None:
    put(mutable(draft.chart.values), "config.extra", {"HOSTS": ["a.example.com", "b.example.com"]})
    put(draft.config_map()[0], "data.HOSTS", "[a.example.com b.example.com]")


for wrong, right in (
    ("service/todo-frontend-service ", "service/frontend "),
    ("--namespace todo-chatbot port-forward", "--namespace default port-forward"),
    (":3000", ":3001"),
):

    @mutant("CHT-12", f"notes with {right}", "static")
    def _misleading_notes(draft: Draft, wrong: str = wrong, right: str = right) -> None:
        rendering = draft.chart.rendering
        draft.change_chart(rendering=replace(rendering, notes=rendering.notes.replace(wrong, right)))


for asked in (
    'POD=$(kubectl get pods -n todo-chatbot -l "component=front-end" -o name)',
    "kubectl logs --selector=component=front-end --tail 10",
    "kubectl -n todo-chatbot wait --for=condition=Ready pod -l component==backend,app=todo",
):

    @mutant("CHT-12", f"notes with {asked}", "static")
    def _selecting_notes(draft: Draft, asked: str = asked) -> None:
        rendering = draft.chart.rendering
        draft.change_chart(rendering=replace(rendering, notes=f"{rendering.notes}\n{asked}\n"))


@mutant("CHT-09", "renders without the secrets", "static")
def _unguarded(draft: Draft) -> None:
    draft.change_chart(without_secrets=draft.chart.rendering)


for name in ("databaseUrl", "betterAuthSecret", "openaiApiKey"):

    @mutant("CHT-09", f"a message without {name}", "static")
    def _unnamed(draft: Draft, name: str = name) -> None:
        bare = draft.chart.without_secrets
        assert bare is not None
        assert bare.error is not None
        draft.change_chart(without_secrets=Rendering(error=bare.error.replace(name, "it")))


mutant("CHT-09", "refused by the API server", "live")(
    lambda draft: draft.change_cluster(refused={"Service/x": "spec.ports: Required value"})
)
mutant("CHT-10", "no schema")(lambda draft: draft.change_chart(schema=None))
mutant("CHT-10", "no JSON Schema")(lambda draft: draft.change_chart(schema={"type": "objekt"}))


@mutant("CHT-10", "defaults that do not fit")
def _unfit(draft: Draft) -> None:
    put(mutable(draft.chart.values), "backend.replicas", "two")


@mutant("CHT-10", "an unknown key")
def _unknown(draft: Draft) -> None:
    assert draft.chart.schema is not None
    put(mutable(draft.chart.schema), "properties.localCluster", REMOVE)


@mutant("CHT-10", "open at the top")
def _open_top(draft: Draft) -> None:
    assert draft.chart.schema is not None
    put(mutable(draft.chart.schema), "additionalProperties", REMOVE)


mutant("CHT-15", "a warning")(lambda draft: draft.change_chart(lint=("[WARNING] templates/: bad",)))


@mutant("CHT-16", "of another name", "static")
def _other_namespace(draft: Draft) -> None:
    next(o for o in namespace_on(draft) if o["kind"] == "Namespace")["metadata"]["name"] = "other"


@mutant("CHT-16", "two of them", "static")
def _two_namespaces(draft: Draft) -> None:
    one = next(o for o in namespace_on(draft) if o["kind"] == "Namespace")
    draft.change_chart(namespace_on=Rendering((*namespace_on(draft), {**one, "metadata": {"name": "second"}})))


@mutant("CHT-16", "an object elsewhere", "static")
def _elsewhere_with_namespace(draft: Draft) -> None:
    next(o for o in namespace_on(draft) if o["kind"] == "Service")["metadata"]["namespace"] = "default"


@mutant("CHT-16", "does not render", "static")
def _namespace_fails(draft: Draft) -> None:
    draft.change_chart(namespace_on=Rendering(error="nil pointer"))


@mutant("CHT-41", "a field of the Deployment changed in the cluster", "live")
def _changed_in_the_cluster(draft: Draft) -> None:
    for body in for_component(draft, "backend").deployment():
        put(body, "spec.progressDeadlineSeconds", 7)


@mutant("CHT-41", "a field of a pod changed in the cluster", "live")
def _pod_changed_in_the_cluster(draft: Draft) -> None:
    for body in for_component(draft, "backend").running_pods():
        put(body, "spec.terminationGracePeriodSeconds", 7)
