"""Rules of credentials in files, objects, logs and images. No finding quotes one."""

from __future__ import annotations

from collections.abc import Iterator

import yaml

from acceptance.checks.component_view import ComponentView
from acceptance.checks.finding import Untested
from acceptance.checks.registry import Violation, check
from acceptance.core.fields import at, list_at, mappings_at, object_ref, text_at
from acceptance.core.secret_scan import credential_kinds, leaked_secrets, strings
from acceptance.kube.secrets import decoded


@check("SCY-08", "static")
def files_hold_no_credential(view: ComponentView) -> Iterator[Violation]:
    """SCY-08: templates, values files and Dockerfiles contain no credential."""
    chart, target = view.chart, view.target
    names = (target.secret.database_url, target.secret.auth_secret, target.secret.model_key)
    files = dict(chart.templates) | dict(chart.values_files)
    files |= {f"{part}'s Dockerfile": text for part, text in chart.dockerfiles.items()}
    for path, text in files.items():
        for kind in credential_kinds(text, names):
            yield Violation(path, "text", "no credential", kind)
    if view.shipped and chart.without_secrets is not None:
        for name, path in shipped_secrets(view):
            yield Violation("values.yaml", path, f"no default for {name}", "a value")


def shipped_secrets(view: ComponentView) -> Iterator[tuple[str, str]]:
    """Yield name and values path of every secret that has a default in values.yaml."""
    values = view.target.values
    shipped = yaml.safe_load(view.chart.values_files.get("values.yaml", "")) or {}
    for name in ("database_url", "auth_secret", "model_key"):
        path = getattr(values, name)
        if path is not None and at(shipped, path) not in (None, ""):
            yield name, path


@check("SCY-08", "static", "live")
def objects_hold_no_credential(view: ComponentView) -> Iterator[Violation]:
    """SCY-08: no object but the Secret, and no log, contains a credential."""
    view.require_rendered()
    names = view.target.secret
    keys = (names.database_url, names.auth_secret, names.model_key)
    secrets = {key: text for key, text in view.snapshot.injected_values.items() if key in keys}
    secret = view.find_secret()
    if secret is not None:
        secrets |= {key: text for key, text in decoded(secret).items() if key in keys}
    for item in view.snapshot.objects:
        if at(item, "kind") == "Secret":
            continue
        for field, text in strings(item):
            for actual in (*(f"the {name}" for name in leaked_secrets(text, secrets)), *credential_kinds(text)):
                yield Violation(object_ref(item), field, "no credential", actual)
    if view.live:
        for pod, log in view.cluster.logs.items():
            for actual in (*(f"the {name}" for name in leaked_secrets(log, secrets)), *credential_kinds(log)):
                yield Violation(f"Pod/{pod}", "log", "no credential", actual)


@check("SCY-08", "image")
def image_holds_no_credential(view: ComponentView) -> Iterator[Violation]:
    """SCY-08: images' environment, history and layers contain no credential."""
    for part, image in view.snapshot.images.items():
        texts = [("config.Env", word) for word in list_at(image.config, "config.Env")]
        texts += [("history", text_at(entry, "created_by")) for entry in mappings_at(image.config, "history")]
        names = view.target.secret
        for field, text in texts:
            for kind in credential_kinds(str(text), (names.database_url, names.auth_secret, names.model_key)):
                yield Violation(image.reference, field, "no credential", kind)
        for place in image.credentials:
            yield Violation(image.reference, f"layers of the {part}", "no credential", place)
    if not view.snapshot.images:
        raise Untested("no image was built")
