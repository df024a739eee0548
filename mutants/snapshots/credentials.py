"""Mutants of credentials in files, objects, logs and images."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from mutants.draft import Draft, put
from mutants.snapshots.registry import encoded, field, mutant

LEAK = "sk-proj-" + "Ab3" * 12
for clause, text in {
    "an API key": LEAK,
    "a database URL": "postgresql://todo:hunter2x@db.example.com/todo",
    "an assigned secret": "BETTER_AUTH_SECRET: 8f2c91d07ab34e",
    "an API key in base64": encoded(LEAK),
    "a private key": "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\n",
}.items():

    @mutant("SCY-08", f"{clause} in a template", "static")
    def _in_template(draft: Draft, text: str = text) -> None:
        draft.change_chart(templates={**draft.chart.templates, "templates/x.yaml": f"a: {text}\n"})

    @mutant("SCY-08", f"{clause} in the values", "static")
    def _in_values(draft: Draft, text: str = text) -> None:
        draft.change_chart(values_files={**draft.chart.values_files, "values-x.yaml": f"a: {text}\n"})

    @mutant("SCY-08", f"{clause} in a Dockerfile", "static")
    def _in_dockerfile(draft: Draft, text: str = text) -> None:
        draft.change_chart(dockerfiles={"backend": f"FROM x\nENV A={text}\n"})


@mutant("SCY-08", "a default for a secret", "static")
def _shipped_default(draft: Draft) -> None:
    draft.change_chart(values_files={"values.yaml": "secrets: {betterAuthSecret: changeme}\n"})


field("SCY-08", "in the ConfigMap", Draft.config_map, "data.KEY", LEAK, "static", "live")


@mutant("SCY-08", "an injected secret in the ConfigMap", "static", "live")
def _own_in_config(draft: Draft) -> None:
    draft.config_map()[0]["data"]["KEY"] = f"x {draft.snapshot.injected_values['BETTER_AUTH_SECRET']}"


@mutant("SCY-08", "an injected secret in an annotation", "static", "live")
def _own_in_annotation(draft: Draft) -> None:
    put(draft.config_map()[0], "metadata.annotations.a", encoded(draft.snapshot.injected_values["BETTER_AUTH_SECRET"]))


@mutant("SCY-08", "in a log", "live")
def _in_log(draft: Draft) -> None:
    draft.change_cluster(logs={"x": f"connecting to {draft.snapshot.injected_values['DATABASE_URL']}"})


def with_backend_image(draft: Draft, fields: dict[str, Any]) -> None:
    """Replace fields of the backend's image."""
    image = draft.snapshot.images["backend"]
    config = {**image.config, **fields.pop("config", {})}
    draft.change(images={**draft.snapshot.images, "backend": replace(image, config=config, **fields)})


mutant("SCY-08", "in the environment", "image")(
    lambda draft: with_backend_image(draft, {"config": {"config": {"User": "1000", "Env": [f"OPENAI_API_KEY={LEAK}"]}}})
)
mutant("SCY-08", "in the history", "image")(
    lambda draft: with_backend_image(draft, {"config": {"history": [{"created_by": f"ARG K={LEAK}"}]}})
)
mutant("SCY-08", "in a layer", "image")(
    lambda draft: with_backend_image(draft, {"credentials": ("/app/.env: an OpenAI key",)})
)
