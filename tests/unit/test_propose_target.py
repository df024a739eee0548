"""`init` proposes what a chart is, whatever its layout, names and order of templates."""

from __future__ import annotations

import tarfile
import tomllib
from pathlib import Path
from textwrap import dedent

import pytest

from acceptance import checks
from acceptance.chart import propose_target
from acceptance.chart.proposal.draft import Draft
from acceptance.chart.renderer import Renderer
from acceptance.core.target import Target, load
from acceptance.kube.helm import Helm, find_helm
from acceptance.kube.secrets import decoded

CHART = "apiVersion: v2\nname: shop\nversion: 0.1.0\n"
SERVICE = """
apiVersion: v1
kind: Service
metadata: {name: NAME}
spec: {selector: {app: NAME}, ports: [{port: PORT}]}
---
"""


def deployment(name: str, image: str, port: int, *, env: str = "[]", more: str = "", pod: str = "") -> str:
    """Return a Deployment and its Service."""
    return dedent(f"""
        apiVersion: apps/v1
        kind: Deployment
        metadata: {{name: {name}}}
        spec:
          replicas: 2
          selector: {{matchLabels: {{app: {name}}}}}
          template:
            metadata: {{labels: {{app: {name}}}}}
            spec:
              {pod or "restartPolicy: Always"}
              containers:
                - name: main
                  image: {image}
                  ports: [{{containerPort: {port}}}]
                  env: {env}
                  {more}
        ---
    """) + SERVICE.replace("NAME", name).replace("PORT", str(port))


def secret(name: str, entries: str, field: str = "stringData") -> str:
    return f"apiVersion: v1\nkind: Secret\nmetadata: {{name: {name}}}\n{field}: {entries}\n---\n"


def write(folder: Path, files: dict[str, str]) -> Path:
    """Write a chart and return its folder; a file's name is relative to it."""
    for name, text in {"Chart.yaml": CHART, **files}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def helm() -> Helm:
    return find_helm()


def proposed(chart: Path, helm: Helm) -> tuple[Target, Draft]:
    """Return the target as a run would load it, and its draft."""
    folder = chart.parent
    draft = propose_target.propose(chart, helm, {}, folder)
    written = folder / "target.toml"
    written.write_text(propose_target.toml(draft.document, draft.comments, draft.notes), encoding="utf-8")
    return load(written), draft


def rendered_secret(target: Target, helm: Helm) -> dict[str, str]:
    renderer = Renderer(helm, target)
    rendering = renderer.render(renderer.required())
    assert rendering.error is None
    found = next(each for each in rendering.objects if each["kind"] == "Secret")
    assert set(renderer.credentials.values()) <= set(decoded(found).values())
    return decoded(found)


def from_secret(name: str, **keys: str) -> str:
    entries = (
        f"{{name: {env}, valueFrom: {{secretKeyRef: {{name: {name}, key: {key}}}}}}}" for env, key in keys.items()
    )
    return f"[{', '.join(entries)}]"


ENV = from_secret("app", DATABASE_URL="database-url", JWT_SECRET="jwt-secret", GEMINI_API_KEY="geminiKey")  # noqa: S106
SECRET = secret(
    "app",
    "{database-url: {{ .Values.db.url | quote }}, jwt-secret: {{ .Values.secrets.authSecret | quote }}, "
    "geminiKey: {{ .Values.gemini.apiKey | quote }}}",
)
VALUES = 'db: {url: ""}\nsecrets: {authSecret: ""}\ngemini: {apiKey: ""}\n'


def test_add_ons_sorted_first_win_no_role(helm: Helm, tmp_path: Path) -> None:
    add_ons = (
        deployment("a-notification", "team/notification-service:1", 8000, env=from_secret("app", DATABASE_URL="x"))
        + deployment("a-redis", "redis:7", 6379)
        + deployment("a-mcp-server", "team/mcp-server:1", 8001, env=ENV)
        + secret("a-postgres", "{POSTGRES_PASSWORD: p4ss}")
        + "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a-redis}\ndata: {DEBUG: 'true'}\n"
    )
    public = "[{name: NEXT_PUBLIC_API_URL, value: 'http://zz-brain:8000'}]"
    own = deployment("zz-brain", "team/brain:1", 8000, env=ENV) + deployment("zz-face", "team/face:1", 3000, env=public)
    chart = write(
        tmp_path / "shop", {"templates/a.yaml": add_ons, "templates/z.yaml": own + SECRET, "values.yaml": VALUES}
    )
    target, _ = proposed(chart, helm)
    assert {role: part.deployment for role, part in target.components.items()} == {
        "backend": "zz-brain",
        "frontend": "zz-face",
    }
    assert target.secret.name == "app"
    assert target.config_map.name != "a-redis"


def test_secret_keys_and_paths_in_other_words(helm: Helm, tmp_path: Path) -> None:
    text = deployment("api", "api:1", 8000, env=ENV) + SECRET
    target, draft = proposed(write(tmp_path / "shop", {"templates/all.yaml": text, "values.yaml": VALUES}), helm)
    assert (target.secret.database_url, target.secret.auth_secret, target.secret.model_key) == (
        "database-url",
        "jwt-secret",
        "geminiKey",
    )
    assert (target.values.database_url, target.values.auth_secret, target.values.model_key) == (
        "db.url",
        "secrets.authSecret",
        "gemini.apiKey",
    )
    assert set(rendered_secret(target, helm)) == {"database-url", "jwt-secret", "geminiKey"}
    assert any(note.startswith("Not found: the frontend") for note in draft.notes)


def test_secret_values_that_must_be_encoded(helm: Helm, tmp_path: Path) -> None:
    text = deployment("api", "api:1", 8000, env=ENV) + SECRET.replace("stringData", "data")
    target, _ = proposed(write(tmp_path / "shop", {"templates/all.yaml": text, "values.yaml": VALUES}), helm)
    assert target.secret.encoded
    rendered_secret(target, helm)


def test_required_values_in_formats_are_found(helm: Helm, tmp_path: Path) -> None:
    guard = """
        {{- if lt (len .Values.secrets.authSecret) 32 }}
        {{- fail "secrets.authSecret needs 32 characters" }}
        {{- end }}
        {{- if not (hasPrefix "postgresql://" (required "db.url is required" .Values.db.url)) }}
        {{- fail "db.url is no PostgreSQL URL" }}
        {{- end }}
    """
    text = dedent(guard) + deployment("api", "api:1", 8000, env=ENV) + SECRET
    target, _ = proposed(write(tmp_path / "shop", {"templates/all.yaml": text, "values.yaml": VALUES}), helm)
    assert target.values.auth_secret == "secrets.authSecret"  # noqa: S105 - a path
    assert target.chart.values == {}
    rendered_secret(target, helm)


def test_nil_pointer_with_the_defaults_is_noted(helm: Helm, tmp_path: Path) -> None:
    text = deployment("api", "api:{{ .Values.image.tag }}", 8000, env=ENV) + SECRET
    target, draft = proposed(write(tmp_path / "shop", {"templates/all.yaml": text, "values.yaml": VALUES}), helm)
    assert target.chart.values == {"image": {"tag": "latest"}}
    assert any("The defaults do not render" in note and "CHT-09" in note for note in draft.notes)


def test_a_template_that_does_not_parse_is_left_out(helm: Helm, tmp_path: Path) -> None:
    text = deployment("api", "api:1", 8000, env=ENV) + SECRET
    files = {"templates/all.yaml": text, "templates/NOTES.txt": "{{ )", "values.yaml": VALUES}
    target, draft = proposed(write(tmp_path / "shop", files), helm)
    assert target.components["backend"].deployment == "api"
    assert any("templates/NOTES.txt was left out" in note for note in draft.notes)


def test_release_name_gives_the_chart_short_names(helm: Helm, tmp_path: Path) -> None:
    name = '{{ if contains "shop" .Release.Name }}{{ .Release.Name }}{{ else }}{{ .Release.Name }}-shop{{ end }}'
    text = deployment(f"{name}-api", "api:1", 8000, env=ENV) + SECRET
    chart = write(tmp_path / "shop", {"templates/all.yaml": text, "values.yaml": VALUES})
    target, _ = proposed(chart, helm)
    assert (target.chart.release, target.components["backend"].deployment) == ("shop", "shop-api")
    draft = propose_target.propose(chart, helm, {}, tmp_path, release="todo", namespace="elsewhere")
    assert draft.document["chart"]["release"] == "todo"
    assert draft.document["chart"]["namespace"] == "elsewhere"
    assert draft.document["components"]["backend"]["deployment"] == "todo-shop-api"


def test_every_values_file_and_an_archive(helm: Helm, tmp_path: Path) -> None:
    text = deployment("api", "api:1", 8000, env=ENV) + SECRET
    names = ("values.yaml", "values-dev.yaml", "values.prod.yaml", "values/eu.yaml", "ci/x-values.yaml")
    chart = write(tmp_path / "shop", {"templates/all.yaml": text, **dict.fromkeys(names, VALUES)})
    target, draft = proposed(chart, helm)
    expected = ["values-dev.yaml", "values.prod.yaml", "values/eu.yaml"]
    assert [str(each) for each in target.chart.values_files] == [f"shop/{name}" for name in expected]
    assert any("ci/x-values.yaml" in note for note in draft.notes)
    archive = tmp_path / "shop-0.1.0.tgz"
    with tarfile.open(archive, "w:gz") as packed:
        packed.add(chart, "shop")
    from_archive, packed_draft = proposed(archive, helm)
    assert packed_draft.document["chart"]["path"] == "shop-0.1.0.tgz"
    assert from_archive.components == target.components
    assert all((from_archive.root / path).is_file() for path in from_archive.chart.values_files)


def test_values_of_subcharts_are_found(helm: Helm, tmp_path: Path) -> None:
    api = deployment("api", "{{ .Values.image.name }}:{{ .Values.image.tag }}", 8000, env=ENV) + SECRET
    web = deployment("web", "{{ .Values.image.name }}:1", 3000)
    files = {
        "Chart.yaml": CHART
        + "dependencies: [{name: backend, version: 0.1.0}, {name: web, alias: ui, version: 0.1.0}]\n",
        "charts/backend/Chart.yaml": CHART.replace("shop", "backend"),
        "charts/backend/templates/all.yaml": api,
        "charts/backend/values.yaml": VALUES + "image: {name: todo-api, tag: '1'}\n",
        "charts/web/Chart.yaml": CHART.replace("shop", "web"),
        "charts/web/templates/all.yaml": web,
        "charts/web/values.yaml": "image: {name: todo-web}\n",
    }
    target, _ = proposed(write(tmp_path / "shop", files), helm)
    assert target.values.database_url == "backend.db.url"
    assert target.components["backend"].values.image_tag == "backend.image.tag"
    assert target.components["frontend"].values.image_repository == "ui.image.name"
    rendered_secret(target, helm)


def test_the_specifications_figures_are_kept(helm: Helm, tmp_path: Path) -> None:
    probe = "livenessProbe: {httpGet: {path: /healthz, port: 8080}}"
    hpa = dedent("""
        apiVersion: autoscaling/v2
        kind: HorizontalPodAutoscaler
        metadata: {name: api}
        spec:
          scaleTargetRef: {kind: Deployment, name: api}
          minReplicas: 1
          maxReplicas: 9
          metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 80}}}]
        ---
    """)
    other = hpa.replace("name: api", "name: aaa")
    web = (
        "[{name: BETTER_AUTH_URL, value: 'http://localhost:3000'}, {name: OPENAI_API_KEY, valueFrom: "
        "{secretKeyRef: {name: app, key: geminiKey}}}]"
    )
    text = (
        other + hpa + deployment("api", "api:1", 8080, env=ENV, more=probe) + deployment("web", "web:1", 3000, env=web)
    )
    chart = write(tmp_path / "shop", {"templates/all.yaml": text + SECRET, "values.yaml": VALUES})
    target, draft = proposed(chart, helm)
    assert target.autoscaler is not None
    assert target.autoscaler.model_dump() == {"name": "api", "min_replicas": 2, "max_replicas": 5, "cpu_percent": 70}
    assert draft.comments["autoscaler", "max_replicas"] == "the specification's; the chart renders 9"
    assert target.components["backend"].probes.liveness == "/healthz"
    assert draft.comments["components", "backend", "port"] == "as rendered; the specification says 8000"
    assert target.components["frontend"].replicas == 1
    assert target.components["frontend"].secret_keys == ("database-url", "jwt-secret")


def test_the_own_chart_is_proposed_as_it_is(helm: Helm) -> None:
    own = load()
    draft = propose_target.propose(own.chart_path, helm, {}, own.root, release=own.chart.release)
    assert tomllib.loads(propose_target.toml(draft.document)) == draft.document
    found = Target.model_validate({**draft.document, "root": own.root})
    expected = own.values.model_dump() | {"name_override": "fullnameOverride"}
    assert found.values.model_dump() == expected
    for name, part in own.components.items():
        assert found.component(name).values == part.values
        assert found.component(name).secret_keys == part.secret_keys
    assert (found.config_map, found.secret, found.autoscaler) == (own.config_map, own.secret, own.autoscaler)
    assert found.chart.values_files == own.chart.values_files


SWITCHED = "{{- if .Values.secrets.create }}\n" + secret("app", "KEYS") + "{{- end }}\n"


def test_empty_secret_that_is_read_as_a_whole_stays_off(helm: Helm, tmp_path: Path) -> None:
    backend = deployment("api", "shop-backend", 8000, more="envFrom: [{secretRef: {name: app}}]")
    files = {
        "values.yaml": VALUES.replace("secrets: {", "secrets: {create: false, name: app, "),
        "templates/all.yaml": backend + SWITCHED.replace("KEYS", '{DATABASE_URL: "", OPENAI_API_KEY: ""}'),
    }
    target, _ = proposed(write(tmp_path / "shop", files), helm)
    assert target.chart.values == {}


@pytest.mark.parametrize(
    ("keys", "switched"),
    [
        ('{database-url: "{{ .Values.db.url }}", jwt-secret: "{{ .Values.secrets.authSecret }}"}', True),
        ('{DATABASE_URL: "{{ .Values.db.url }}", JWT_SECRET: "{{ .Values.secrets.authSecret }}"}', False),
        ('{database-url: "", jwt-secret: ""}', False),
    ],
    ids=["the keys that are read", "other keys", "empty keys"],
)
def test_secret_that_ships_switched_off(helm: Helm, tmp_path: Path, keys: str, *, switched: bool) -> None:
    files = {
        "values.yaml": VALUES.replace("secrets: {", "secrets: {create: false, name: app, "),
        "templates/all.yaml": deployment("api", "shop-backend", 8000, env=ENV) + SWITCHED.replace("KEYS", keys),
    }
    target, _ = proposed(write(tmp_path / "shop", files), helm)
    assert target.chart.values == ({"secrets": {"create": True}} if switched else {})


def test_node_env_of_the_frontend_is_no_environment(helm: Helm, tmp_path: Path) -> None:
    env = "[{name: NODE_ENV, value: {{ .Values.web.nodeEnv }}}]"
    files = {
        "values.yaml": f"{VALUES}web: {{nodeEnv: production}}\n",
        "templates/all.yaml": deployment("api", "shop-backend", 8000, env=ENV)
        + deployment("web", "shop-frontend", 3000, env=env)
        + SECRET,
    }
    target, _ = proposed(write(tmp_path / "shop", files), helm)
    assert target.values.environment is None


def test_keys_of_the_frontend_are_its_own(helm: Helm, tmp_path: Path) -> None:
    own = from_secret("app", DATABASE_URL="web-url", JWT_SECRET="jwt-secret")  # noqa: S106
    files = {
        "values.yaml": VALUES,
        "templates/all.yaml": deployment("api", "shop-backend", 8000, env=ENV)
        + deployment("web", "shop-frontend", 3000, env=own)
        + SECRET.replace("{database-url", "{web-url: {{ .Values.db.url | quote }}, database-url"),
    }
    target, _ = proposed(write(tmp_path / "shop", files), helm)
    assert target.component("frontend").secret_keys == ("web-url", "jwt-secret")


def test_services_for_metrics_are_the_last(helm: Helm, tmp_path: Path) -> None:
    metrics = SERVICE.replace("{name: NAME}", "{name: api-metrics}").replace("NAME", "api").replace("PORT", "9090")
    files = {"values.yaml": VALUES, "templates/all.yaml": metrics + deployment("api", "shop-backend", 8000) + SECRET}
    target, _ = proposed(write(tmp_path / "shop", files), helm)
    assert (target.component("backend").service, target.component("backend").service_port) == ("api", 8000)


def test_names_of_keys_of_an_existing_secret_are_no_credentials(helm: Helm, tmp_path: Path) -> None:
    key = '{{ .Values.auth.existingSecretKeys.databaseUrl | default "database-url" }}'
    files = {
        "values.yaml": f'{VALUES}auth: {{existingSecretKeys: {{databaseUrl: ""}}}}\n',
        "templates/all.yaml": deployment("api", "shop-backend", 8000, env=ENV)
        + deployment("web", "shop-frontend", 3000, env=from_secret("app", DATABASE_URL=key))
        + SECRET,
    }
    target, _ = proposed(write(tmp_path / "shop", files), helm)
    assert target.component("frontend").secret_keys == ("database-url",)


HPA = """{{- if .Values.hpa.enabled }}
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: api}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: api}
  minReplicas: {{ .Values.hpa.min }}
  maxReplicas: 5
  metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 70}}}]
{{- end }}
---
"""


def test_replicas_are_what_sets_them_without_the_hpa(helm: Helm, tmp_path: Path) -> None:
    count = "replicas: {{ ternary (int .Values.hpa.min) (int .Values.replicaCount) .Values.hpa.enabled }}"
    backend = deployment("api", "shop-backend", 8000, env=ENV).replace("replicas: 2", count)
    files = {
        "values.yaml": f"{VALUES}replicaCount: 2\nhpa: {{enabled: true, min: 2}}\n",
        "templates/all.yaml": backend + HPA + SECRET,
    }
    target, _ = proposed(write(tmp_path / "shop", files), helm)
    assert (target.component("backend").values.replicas, target.values.hpa_min) == ("replicaCount", "hpa.min")


def test_a_list_of_origins_is_found(helm: Helm, tmp_path: Path) -> None:
    origins = '[{name: CORS_ORIGINS, value: {{ join "," .Values.origins | quote }}}, '
    files = {
        "values.yaml": f"{VALUES}origins: ['http://localhost:3000']\n",
        "templates/all.yaml": deployment("api", "shop-backend", 8000, env=f"{origins}{ENV[1:]}") + SECRET,
    }
    target, _ = proposed(write(tmp_path / "shop", files), helm)
    assert target.values.cors_origins == "origins"


def test_further_keys_that_are_named_are_needed(helm: Helm, tmp_path: Path) -> None:
    """Of a whole Secret, a frontend needs none; a model's key it never needs."""
    further = '{groq: "x", resend: "x", spare: "x", database-url'
    web = from_secret("app", RESEND_API_KEY="resend", GROQ_API_KEY="groq")
    files = {
        "values.yaml": VALUES,
        "templates/all.yaml": deployment(
            "api", "shop-backend", 8000, more="envFrom: [{secretRef: {name: app}}]", env=ENV
        )
        + deployment("web", "shop-frontend", 3000, env=web, more="envFrom: [{secretRef: {name: app}}]")
        + SECRET.replace("{database-url", further),
    }
    target, _ = proposed(write(tmp_path / "shop", files), helm)
    assert target.component("backend").secret_keys == (
        *("database-url", "jwt-secret", "geminiKey"),
        *("groq", "resend", "spare"),
    )
    assert "resend" in target.component("frontend").secret_keys
    assert not {"groq", "spare", "geminiKey"} & {*target.component("frontend").secret_keys}


ENV_FILE = """apiVersion: v1
kind: ConfigMap
metadata: {name: app}
data:
  backend.env: |
    ENVIRONMENT=production
    DEBUG=false
    CORS_ORIGINS=http://localhost:3000
---
"""


def test_file_of_settings_is_no_setting(helm: Helm, tmp_path: Path) -> None:
    mounted = "volumeMounts: [{name: env, mountPath: /app/.env, subPath: backend.env}]"
    files = {
        "values.yaml": VALUES,
        "templates/all.yaml": ENV_FILE
        + deployment(
            "api", "shop-backend", 8000, env=ENV, more=mounted, pod="volumes: [{name: env, configMap: {name: app}}]"
        )
        + SECRET,
    }
    target, draft = proposed(write(tmp_path / "shop", files), helm)
    assert target.config_map.environment == "ENVIRONMENT"
    assert any("its file backend.env has such a line" in note for note in draft.notes)
    found = checks.run_checks(Renderer(helm, target).snapshot(), target).findings
    told = [(each.rule, each.actual, each.advice) for each in found if each.rule.startswith("CFG")]
    assert told == [("CFG-11", "a line of backend.env", True)] * 3


def test_key_that_the_backend_reads_is_the_one(helm: Helm, tmp_path: Path) -> None:
    """Another Deployment may read the specification's key beside it."""
    more = from_secret("app", BETTER_AUTH_SECRET="BETTER_AUTH_SECRET")  # noqa: S106
    files = {
        "values.yaml": VALUES,
        "templates/all.yaml": deployment("api", "shop-backend", 8000, env=ENV)
        + deployment("sessions", "shop-sessions", 3001, env=more)
        + SECRET.replace("{database-url", '{BETTER_AUTH_SECRET: "x", database-url'),
    }
    target, _ = proposed(write(tmp_path / "shop", files), helm)
    assert target.secret.auth_secret == "jwt-secret"  # noqa: S105


def test_credentials_without_a_secret_are_told_once(helm: Helm, tmp_path: Path) -> None:
    literals = "[{name: DATABASE_URL, value: {{ .Values.db.url | quote }}}, {name: JWT_SECRET, value: changeme}]"
    own = "[{name: BETTER_AUTH_SECRET, value: changeme}]"
    text = deployment("api", "shop-backend", 8000, env=literals) + deployment("web", "shop-frontend", 3000, env=own)
    target, _ = proposed(write(tmp_path / "shop", {"values.yaml": VALUES, "templates/all.yaml": text}), helm)
    found = checks.run_checks(Renderer(helm, target).snapshot(), target).findings
    told = [each.field.rpartition(".")[2] for each in found if each.rule == "SEC-11"]
    assert told == ["env[DATABASE_URL]", "env[JWT_SECRET]", "env[BETTER_AUTH_SECRET]"]


def test_secret_that_needs_all_its_values_is_found(helm: Helm, tmp_path: Path) -> None:
    given = "{{- if and .Values.db.url .Values.db.owner .Values.secrets.authSecret }}\n"
    paths = {"DATABASE_URL": "db.url", "JWT_SECRET": "secrets.authSecret", "OWNER": "db.owner"}
    entries = ", ".join(f"{key}: {{{{ .Values.{path} | quote }}}}" for key, path in paths.items())
    referred = from_secret("app", DATABASE_URL="DATABASE_URL", JWT_SECRET="JWT_SECRET")  # noqa: S106
    env = f"{given.strip()} {referred} {{{{- else }}}} [{{name: DATABASE_URL, value: none}}] {{{{- end }}}}"
    files = {
        "values.yaml": VALUES.replace('{url: ""}', '{url: "", owner: ""}'),
        "templates/all.yaml": deployment("api", "shop-backend", 8000, env=env),
        "templates/secret.yaml": given + secret("app", f"{{{entries}}}") + "{{- end }}\n",
    }
    target, _ = proposed(write(tmp_path / "shop", files), helm)
    assert (target.secret.name, target.values.database_url) == ("app", "db.url")
    assert target.chart.values == {"db": {"owner": "acceptance"}}
    assert paths.keys() == decoded(next(iter(Renderer(helm, target).snapshot().of_kind("Secret")))).keys()
