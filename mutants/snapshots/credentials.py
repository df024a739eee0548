"""Mutants of credentials in files, objects, logs and images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from acceptance.checks.snapshot import Rendering, SecretProbes
from mutants.draft import Draft, put
from mutants.snapshots.registry import encoded, field, for_component, mutant

LEAK = "sk-proj-" + "Ab3" * 12
KEY = "sk-proj-Qx7Lw2Zr9Tn4Vb6Ym1Kc8Hd3Jf5Gs0Pa"
PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEAx7Lw2Zr9Tn4Vb6Ym1Kc8Hd3Jf5\n-----END RSA PRIVATE KEY-----\n"
COMMENTED_PEM = "".join(f"# {line}\n" for line in PEM.splitlines())
for clause, text in {
    "an API key": LEAK,
    "a database URL": "postgresql://todo:hunter2x@db.example.com/todo",
    "an API key in base64": encoded(LEAK),
    "a private key": PEM,
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


for clause, text in {
    "a private key behind comments": COMMENTED_PEM,
    "an API key in a comment": f"# {KEY}\n",
    "a secret by its name": "  BETTER_AUTH_SECRET: 8f2c91d07ab34e\n",
}.items():

    @mutant("SCY-08", f"{clause} in a template", "static")
    def _in_text(draft: Draft, text: str = text) -> None:
        draft.change_chart(templates={**draft.chart.templates, "templates/x.yaml": f"a: 1\n{text}"})


for clause, text in {
    "a password by its path": "db:\n  adminPassword: hunter22\n",
    "a token by its path": "auth: {jwtSecret: 8f2c91d07ab34e}\n",
}.items():

    @mutant("SCY-08", f"{clause} in the values", "static")
    def _by_path(draft: Draft, text: str = text) -> None:
        draft.change_chart(values_files={**draft.chart.values_files, "values-x.yaml": text})


for clause, text in {
    "ENV with a space": "ENV DB_PASSWORD hunter22",
    "ENV of several lines": "ENV A=1 \\\n    BETTER_AUTH_SECRET='8f2c91d07ab34e'",
    "ARG": "ARG NPM_TOKEN=8f2c91d07ab34e",
    "RUN": f"RUN curl -H 'Authorization: Bearer {KEY}' https://example.com",
}.items():

    @mutant("SCY-08", f"{clause} of a Dockerfile", "static")
    def _instruction(draft: Draft, text: str = text) -> None:
        draft.change_chart(dockerfiles={"backend": f"FROM x\n{text}\n"})


for path in ("README.md", "ci/install-values.yaml", "files/nginx.conf"):

    @mutant("SCY-08", f"in {path}", "static")
    def _in_file(draft: Draft, path: str = path) -> None:
        draft.change_chart(files={**draft.chart.files, path: f"a: {KEY}\n"})


def probes(draft: Draft) -> SecretProbes:
    """Return the renderings that show what the chart does with its secrets."""
    assert draft.chart.secret_probes is not None
    return draft.chart.secret_probes


@mutant("SCY-08", "a default for a secret", "static")
def _shipped_default(draft: Draft) -> None:
    renderings = (draft.chart.rendering, draft.chart.rendering)
    draft.change_chart(secret_probes=replace(probes(draft), without={"BETTER_AUTH_SECRET": renderings}))


for clause, (key, value) in {
    "JWT secret": ("JWT_SECRET", "changeme"),
    "database password": ("postgres-password", "todo1234"),
    "URL with a password": ("REDIS_URL", "redis://:hunter22@cache:6379/0"),
    "registry's password": (".dockerconfigjson", '{"auths": {"ghcr.io": {"auth": "dG9kbzpodW50ZXIyMg=="}}}'),
    "random value": ("SALT", "Qx7Lw2Zr9Tn4Vb6Ym1Kc"),
}.items():

    @mutant("SCY-08", f"a {clause} that ships in the Secret", "static")
    def _other_default(draft: Draft, key: str = key, value: str = value) -> None:
        draft.secret()[0]["data"][key] = encoded(value)
        draft.change_chart(rerendering=draft.chart.rendering)


@mutant("SCY-08", "in the notes", "static")
def _in_notes(draft: Draft) -> None:
    notes = f"Key: {draft.snapshot.injected_values['OPENAI_API_KEY'][:20]}..."
    draft.change_chart(rendering=replace(draft.chart.rendering, notes=notes))


@mutant("SCY-08", "in a refusal", "static")
def _in_refusal(draft: Draft) -> None:
    secret = draft.snapshot.injected_values["OPENAI_API_KEY"]
    draft.change_chart(without_secrets=Rendering(error=f"secrets.databaseUrl is missing beside {secret!r}"))


@mutant("SCY-08", "in the refusal of a wrong value", "static")
def _malformed(draft: Draft) -> None:
    refusals = {
        key: replace(each, rendering=Rendering(error=f"at '/secrets': '{each.given}' does not match pattern"))
        for key, each in probes(draft).malformed.items()
    }
    draft.change_chart(secret_probes=replace(probes(draft), malformed=refusals))


LITERALS: dict[str, tuple[str, str]] = {
    "DB_PASSWORD": ("DB_PASSWORD", "changeme"),
    "apiToken": ("apiToken", "8f2c91d07ab34e"),
    "a file of variables": (".env", "A=1\nexport SMTP_PASSWORD=hunter22\n"),
    "a private key in one line": ("key", PEM.replace("\n", "\\n")),
}
for clause, (key, value) in LITERALS.items():

    @mutant("SCY-08", f"{clause} as a literal of the ConfigMap", "static", "live")
    def _literal(draft: Draft, key: str = key, value: str = value) -> None:
        draft.config_map()[0]["data"][key] = value


@mutant("SCY-08", "a literal variable", "static")
def _literal_variable(draft: Draft) -> None:
    for body in for_component(draft, "backend").main_containers():
        body["env"].append({"name": "SMTP_PASSWORD", "value": "hunter22"})


for clause, words in {"one word": ["--db-password=hunter22"], "two words": ["--api-key", "8f2c91d07ab34e"]}.items():

    @mutant("SCY-08", f"an argument of {clause}", "static")
    def _argument(draft: Draft, words: list[str] = words) -> None:
        for body in for_component(draft, "backend").main_containers():
            body["args"] = words


WRITTEN: dict[str, Callable[[str], str]] = {
    "in hexadecimal": lambda text: text.encode().hex(),
    "encoded twice": lambda text: encoded(encoded(text)),
    "in part": lambda text: f"key {text[10:24]}",
    "in base64 with a prefix": lambda text: encoded(f"user:{text}"),
}
for clause, write in WRITTEN.items():

    @mutant("SCY-08", f"an injected secret {clause}", "static", "live")
    def _written(draft: Draft, write: Callable[[str], str] = write) -> None:
        put(draft.config_map()[0], "metadata.annotations.a", write(draft.snapshot.injected_values["OPENAI_API_KEY"]))


@mutant("SCY-08", "the password of the database's URL", "static", "live")
def _password(draft: Draft) -> None:
    password = urlsplit(draft.snapshot.injected_values["DATABASE_URL"]).password
    draft.config_map()[0]["data"]["DB"] = f"host=db user=todo password={password}"


@mutant("SCY-08", "in an annotation of the Secret", "static", "live")
def _own_annotation(draft: Draft) -> None:
    put(draft.secret()[0], "metadata.annotations.a", draft.snapshot.injected_values["DATABASE_URL"])


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
mutant("SCY-08", "in an argument of the history", "image")(
    lambda draft: with_backend_image(
        draft, {"config": {"history": [{"created_by": "|1 NPM_TOKEN=8f2c91d07ab34e /bin/sh -c npm ci"}]}}
    )
)
mutant("SCY-08", "in the history", "image")(
    lambda draft: with_backend_image(draft, {"config": {"history": [{"created_by": f"ARG K={LEAK}"}]}})
)
mutant("SCY-08", "in a layer", "image")(
    lambda draft: with_backend_image(draft, {"credentials": ("/app/.env: an OpenAI key",)})
)
