"""Mutants of images."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

from acceptance.checks.snapshot import BuildContext, Layer
from mutants.draft import REMOVE, Alter, Draft
from mutants.snapshots.registry import field, fields, mutant

OTHER_DIGEST = "sha256:" + "0" * 64


def with_image(image: str) -> Alter:
    """Return an alteration that sets the main containers' image."""

    def alter(draft: Draft) -> None:
        for body in draft.main_containers():
            body["image"] = image

    return alter


for clause, name in {
    "capitals": "Todo-Backend:1",
    "an underscore": "todo_backend:1",
    "another": "other-image:latest",
}.items():
    mutant("IMG-01", clause, "static")(with_image(name))
    mutant("IMG-01", clause, "image")(partial(Draft.change_image, reference=name))


@mutant("IMG-01", "capitals in the path", "static")
def _capitals_in_the_path(draft: Draft) -> None:
    for body in draft.main_containers():
        body["image"] = f"registry.example.com/Team/{body['image']}"


@mutant("IMG-02", "no colon before a tag", "static", component="backend")
def _no_colon(draft: Draft) -> None:
    for body in draft.main_containers():
        body["image"] = f"{body['image'].rpartition(':')[0]}:1.4.0"
    for body in draft.init_containers():
        body["image"] = body["image"].rpartition(":")[0] + "1.4.0"


for clause, digest in {"cut off": "sha256:7f8c9d", "of another kind": f"md5:{'0' * 32}", "empty": ""}.items():
    mutant("IMG-03", f"a digest {clause}", "static")(with_image(f"todo-image:1@{digest}"))
for clause, tag in {"an underscore": "1_0", "a space": "1 0", "a plus": "1+0"}.items():
    mutant("IMG-02", clause)(with_image(f"todo-image:{tag}"))
field("IMG-02", "latest without a pull policy", Draft.main_containers, "imagePullPolicy", REMOVE, "static")
field("IMG-02", "always pulled from no registry", Draft.main_containers, "imagePullPolicy", "Always", "static")


@mutant("IMG-02", "always pulled from no registry by a job", "static")
def _pulled_by_a_job(draft: Draft) -> None:
    main = {**draft.main_containers()[0], "imagePullPolicy": "Always"}
    spec = {"restartPolicy": "Never", "containers": [main]}
    draft.add_objects({"kind": "Job", "metadata": {"name": "more"}, "spec": {"template": {"spec": spec}}})


@mutant("IMG-02", "never pulled from its registry", "static")
def _never_pulled(draft: Draft) -> None:
    for body in draft.main_containers():
        body |= {"image": f"ghcr.io/team/{body['image']}", "imagePullPolicy": "Never"}


@mutant("IMG-03", "configuration of another content", "image")
def _other_config(draft: Draft) -> None:
    draft.change_image(computed_digest=OTHER_DIGEST)


@mutant("IMG-03", "layer of another content", "image")
def _other_layer(draft: Draft) -> None:
    draft.change_image(computed_diff_ids=(OTHER_DIGEST, *draft.view.image.computed_diff_ids[1:]))


mutant("IMG-03", "another image of the same name runs", "live")(
    lambda draft: draft.change_facts(lambda fact: replace(fact, config_digest=OTHER_DIGEST))
)
mutant("IMG-03", "another layer runs", "live")(
    lambda draft: draft.change_facts(lambda fact: replace(fact, diff_ids=(*fact.diff_ids, OTHER_DIGEST)))
)


def layers(count: int, size: int) -> Alter:
    """Return an alteration to an image of equal layers."""
    return lambda draft: draft.change_image(layers=tuple(Layer(str(i), size) for i in range(count)))


mutant("IMG-04", "200,000,000 bytes", "image")(layers(2, 100_000_000))
mutant("IMG-05", "500,000,000 bytes", "image")(layers(2, 250_000_000))
mutant("IMG-06", "21 layers", "image")(layers(21, 1))
mutant("IMG-06", "no layer", "image")(layers(0, 1))
fields(
    "IMG-07",
    Draft.image_config,
    "created",
    {
        "absent": REMOVE,
        "not a time": "yesterday",
        "no zone": "2026-01-01T00:00:00",
        "the epoch": "1970-01-01T00:00:00Z",
        "future": "2036-01-01T00:00:00Z",
    },
)
field("IMG-08", "arm64", Draft.image_config, "architecture", "arm64")
field("IMG-08", "windows", Draft.image_config, "os", "windows")


def run(**fields: Any) -> Alter:
    """Return an alteration of the result of running the image."""

    def alter(draft: Draft) -> None:
        was = draft.view.image.run
        assert was is not None
        draft.change_image(run=replace(was, **fields))

    return alter


@mutant("IMG-09", "a copy of what is not there", "static")
def _copies_nothing(draft: Draft) -> None:
    draft.change_chart(build_contexts={str(draft.component_name): BuildContext(("public",))})


mutant("IMG-09", "no answer", "image")(run(health_status=None, log_tail="Traceback"))
field("IMG-09", "a proxy", Draft.image_config, "config.Env", ["PATH=/bin", "https_proxy=http://proxy:3128"], "image")
mutant("IMG-09", "503", "image")(run(health_status=503))
mutant("IMG-10", "runs beyond its grace period", "image")(run(term_seconds=30.0, exit_code=0))
mutant("IMG-10", "had to be killed", "image")(run(term_seconds=10.0, exit_code=137))
field("IMG-10", "shell form", Draft.image_config, "config.Cmd", ["/bin/sh", "-c", "python3 -m app"])
DEBUGGED = ["node", "--inspect=0.0.0.0:9229", "server.js"]
field("SCY-11", "a debugger in the image", Draft.image_config, "config.Cmd", DEBUGGED, "image")
field(
    "SCY-11",
    "a debugger by an option of the image",
    Draft.image_config,
    "config.Env",
    ["NODE_OPTIONS=--inspect=0.0.0.0"],
    "image",
)
fields(
    "SCY-11",
    Draft.main_containers,
    "args",
    {"a debugger": DEBUGGED[1:], "another one": ["debugpy", "--listen", "0.0.0.0:5678"]},
    "static",
)
fields("SCY-11", Draft.main_containers, "command", {"a debugger's command": DEBUGGED}, "static")


def with_variable(name: str, value: str) -> Alter:
    """Return an alteration that adds a variable to the main containers."""

    def alter(draft: Draft) -> None:
        for body in draft.main_containers():
            body["env"].append({"name": name, "value": value})

    return alter


mutant("SCY-11", "a debugger by an option", "static")(with_variable("NODE_OPTIONS", "--inspect=0.0.0.0:9229"))
for switch, off in {"NODE_TLS_REJECT_UNAUTHORIZED": "0", "DB_SSL_VERIFY": "false", "SKIP_TLS_VERIFY": "true"}.items():
    mutant("SCY-12", f"{switch} of a pod", "static")(with_variable(switch, off))
    field("SCY-12", f"{switch} of an image", Draft.image_config, "config.Env", [f"{switch}={off}"], "image")
