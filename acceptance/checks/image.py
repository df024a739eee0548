"""Rules of the components' images."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from acceptance.checks import health
from acceptance.checks.clauses import timestamp
from acceptance.checks.component_view import ComponentView
from acceptance.checks.finding import Untested, Waived
from acceptance.checks.registry import Violation, check
from acceptance.core.fields import at, format_value, list_at, text_at
from acceptance.core.shell import script
from acceptance.kube.pod_templates import image_reference

REPOSITORY = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
PATH_COMPONENT = re.compile(r"[a-z0-9]+((\.|__?|-+)[a-z0-9]+)*")
"""A component of a repository's path after the registry, as the image specification has it."""
TAG = re.compile(r"[A-Za-z0-9.-]+")
DIGEST = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")
PLATFORM = "linux/amd64"
PROXY = re.compile(r"(https?|all|ftp|grpc)_proxy", re.I)
CLOCK_SKEW = timedelta(minutes=5)
GRACE_SECONDS = 30
"""Kubernetes' default termination grace period."""


def image_variables(view: ComponentView) -> dict[str, str]:
    """Return the variables that the image sets."""
    entries = (str(entry).partition("=") for entry in list_at(view.image.config, "config.Env"))
    return {name: value for name, _, value in entries}


def image_command(view: ComponentView) -> list[str]:
    """Return the image's command: its entrypoint and arguments."""
    config = view.image.config
    return [str(word) for key in ("config.Entrypoint", "config.Cmd") for word in list_at(config, key)]


def wrong_repository(view: ComponentView, owner: str, field: str, image: str) -> Iterator[Violation]:
    """Yield a violation if the last path component of an image's repository is malformed or not the target's."""
    last = image_reference(image)[0].rpartition("/")[2]
    expected = view.component.image.repository.rpartition("/")[2]
    if not REPOSITORY.fullmatch(last):
        yield Violation(owner, field, "a repository of lowercase letters, digits and dashes", format_value(last))
    elif (view.shipped or view.snapshot.source == "image") and last != expected:
        yield Violation(owner, field, f"the repository {expected}", format_value(last))
    path = image_reference(image)[0].split("/")[1:-1]  # the first component may be a registry
    for part in path:
        if not PATH_COMPONENT.fullmatch(part):
            yield Violation(owner, field, "a path of lowercase letters, digits, dots, dashes and underscores", part)


@check("IMG-01", "static")
def repository_in_the_chart(view: ComponentView) -> Iterator[Violation]:
    """IMG-01: the chart's image references name the component's repository."""
    for pod in view.pods:
        for container in view.own_images(pod):
            yield from wrong_repository(view, pod.object, f"{container.field}.image", container.image)


@check("IMG-01", "image")
def repository_of_the_image(view: ComponentView) -> Iterator[Violation]:
    """IMG-01: the built image has the component's repository."""
    yield from wrong_repository(view, view.image.reference, "repository", view.image.reference)


@check("IMG-02")
def tag(view: ComponentView) -> Iterator[Violation]:
    """IMG-02: tags consist of letters, digits, dots and dashes."""
    for pod in view.pods:
        for container in view.own_images(pod):
            actual = image_reference(container.image)[1]
            if not container.image or not TAG.fullmatch(actual):
                expected = "a tag of letters, digits, dots and dashes"
                yield Violation(pod.object, f"{container.field}.image", expected, format_value(container.image))


@check("IMG-02", "static")
def tag_after_a_colon(view: ComponentView) -> Iterator[Violation]:
    """IMG-02: no container's image ends in the component's tag without a colon before it, which is a repository."""
    for pod in view.pods:
        named = view.main_container(pod).image
        own = image_reference(named)[1]
        for container in pod.containers():
            repository, actual, digest = image_reference(container.image)
            if f":{own}" in named and actual == "latest" and not digest and repository.endswith(own):
                expected = f"a colon before the tag {own}"
                yield Violation(pod.object, f"{container.field}.image", expected, format_value(container.image))


@check("IMG-02", "static")
def pull_policy(view: ComponentView) -> Iterator[Violation]:
    """IMG-02: an image without a registry is not pulled, and one of a registry can be; in jobs and tests too."""
    own = {image_reference(container.image)[0] for pod in view.pods for container in view.own_images(pod)}
    for pod in view.workloads():
        for container in pod.containers():
            repository, actual_tag, _ = image_reference(container.image)
            if repository not in own:
                continue
            policy = at(container.body, "imagePullPolicy")
            field, local = f"{container.field}.imagePullPolicy", "/" not in repository
            if local and container.pull_policy == "Always":
                actual = format_value(policy) if policy else f"absent, which is Always for the tag {actual_tag}"
                expected = f"IfNotPresent: no registry has {repository}"
                yield Violation(pod.object, field, expected, actual, derived=True)
            elif not local and policy == "Never":
                expected = f"IfNotPresent or Always: a node gets {repository} from its registry"
                yield Violation(pod.object, field, expected, format_value(policy), derived=True)


@check("IMG-03", "static")
def digests_are_whole(view: ComponentView) -> Iterator[Violation]:
    """IMG-03: a digest in an image reference is complete, as the kubelet requires."""
    for pod in view.pods:
        for container in pod.containers():
            digest = image_reference(container.image)[2]
            if "@" in container.image and not DIGEST.fullmatch(digest):
                expected = "a digest of sha256: and 64 hexadecimal digits"
                yield Violation(pod.object, f"{container.field}.image", expected, format_value(container.image))


@check("IMG-03", "image")
def digests_match_content(view: ComponentView) -> Iterator[Violation]:
    """IMG-03: the image's digests are those of its configuration and layers."""
    image = view.image
    if image.config_digest != image.computed_digest:
        yield Violation(image.reference, "config", image.computed_digest, image.config_digest)
    stated = tuple(str(entry) for entry in list_at(image.config, "rootfs.diff_ids"))
    if stated != image.computed_diff_ids:
        wrong = [
            f"{one} contains {other}"
            for one, other in zip(stated, image.computed_diff_ids, strict=False)
            if one != other
        ]
        actual = ", ".join(wrong) or f"{len(stated)} listed, {len(image.computed_diff_ids)} present"
        yield Violation(image.reference, "rootfs.diff_ids", "sha256 of each layer", actual)


@check("IMG-03", "live")
def pods_run_built_image(view: ComponentView) -> Iterator[Violation]:
    """IMG-03: the pods' containers run the image that was built, by digest and layers."""
    image, facts = view.image, view.cluster.facts
    if facts is None:
        raise Untested("digests are read on the node, which this cluster does not allow")
    layers = tuple(layer.diff_id for layer in image.layers)
    compared = 0
    for pod in view.pods:
        for container in view.own_images(pod):
            process = facts.get((pod.name, container.name))
            if process is None:
                continue
            compared += 1
            if process.config_digest != image.config_digest:
                yield Violation(pod.object, f"{container.field}.image", image.config_digest, process.config_digest)
            if process.diff_ids != layers:
                yield Violation(
                    pod.object, f"{container.field}.image", "the layers that were built", format_value(process.diff_ids)
                )
    if not compared:
        raise Untested("no container of the component is running")


def size(view: ComponentView) -> Iterator[Violation]:
    """IMG-04, IMG-05: the compressed size is below the target's limit."""
    image, limit = view.image, view.component.image.max_bytes
    total = sum(layer.compressed_bytes for layer in image.layers)
    if total >= limit:
        largest = sorted(image.layers, key=lambda layer: -layer.compressed_bytes)[:3]
        actual = ", ".join(f"{layer.compressed_bytes:,} by {layer.created_by or layer.diff_id}" for layer in largest)
        yield Violation(image.reference, "size", f"less than {limit:,} bytes compressed", f"{total:,}: {actual}")


check("IMG-04")(size)
check("IMG-05")(size)


@check("IMG-06")
def layers(view: ComponentView) -> Iterator[Violation]:
    """IMG-06: the image has 1-20 layers."""
    count = len(view.image.layers)
    if not 1 <= count <= 20:
        yield Violation(view.image.reference, "layers", "1-20", str(count))


@check("IMG-07")
def created_at(view: ComponentView) -> Iterator[Violation]:
    """IMG-07: the creation time is a real build time, not in the future."""
    actual = at(view.image.config, "created")
    moment = timestamp(actual)
    now = view.snapshot.captured_at or datetime.now(UTC)
    if moment is None:
        yield Violation(view.image.reference, "created", "an ISO 8601 timestamp", format_value(actual))
    elif moment.year <= 1980:  # the Unix or the ZIP epoch
        yield Violation(view.image.reference, "created", "the build time", format_value(actual))
    elif moment > now + CLOCK_SKEW:
        yield Violation(
            view.image.reference, "created", f"not after {now.isoformat(timespec='seconds')}", format_value(actual)
        )


@check("IMG-08")
def platform(view: ComponentView) -> Iterator[Violation]:
    """IMG-08: the platform is linux/amd64; another one that the target states is waived."""
    config = view.image.config
    actual = f"{text_at(config, 'os')}/{text_at(config, 'architecture')}"
    stated = view.component.image.platform
    if actual != stated:
        yield Violation(view.image.reference, "platform", stated, actual)
    elif actual != PLATFORM:
        raise Waived(f"the target states the platform {stated} instead of {PLATFORM}")


@check("IMG-09", "static")
def dockerfile_copies_what_is_there(view: ComponentView) -> Iterator[Violation]:
    """IMG-09: what the Dockerfile copies is in the folder that the build is given, or the build fails."""
    name = view.component_name or ""
    found = view.chart.build_contexts.get(name)
    if found is None:
        raise Untested(f"the target names no Dockerfile and context of the {name}")
    for each in found.missing:
        yield Violation(f"{name}'s Dockerfile", "COPY", f"in the context: {each}", "absent", derived=True)


@check("IMG-09", "image")
def starts_without_egress(view: ComponentView) -> Iterator[Violation]:
    """IMG-09: the container answers its health path on a network without egress."""
    run = view.image.run
    if run is None:
        raise Untested("the image was not started")
    path = run.health_path
    if not path:
        raise health.unknown_path(view.component)
    if run.health_status is None or not 200 <= run.health_status < 300:
        actual = f"{run.health_status or 'no response'}; last lines: {run.log_tail[-300:]}"
        yield Violation(view.image.reference, f"GET {path} without egress", "2xx", actual)


@check("IMG-09", "image")
def keeps_no_proxy_of_the_build(view: ComponentView) -> Iterator[Violation]:
    """IMG-09: no environment variable of the image sends its requests through a proxy."""
    for name, value in image_variables(view).items():
        if PROXY.fullmatch(name) and value:
            expected = "no proxy: that of the build is not where the image runs"
            yield Violation(view.image.reference, f"config.Env {name}", expected, "set", derived=True)


@check("IMG-10")
def stops_on_sigterm(view: ComponentView) -> Iterator[Violation]:
    """IMG-10: the command is in exec form, and SIGTERM ends it within the grace period."""
    image = view.image
    command = image_command(view)
    if script(command) is not None:
        yield Violation(image.reference, "config.Cmd", "exec form", format_value(" ".join(command)))
    run = image.run
    if run is None:
        raise Untested("the image was not started")
    if run.term_seconds is None:
        raise Untested("the image ended by itself, before SIGTERM")
    if run.term_seconds >= GRACE_SECONDS or run.exit_code == 137:
        expected = f"exited within {GRACE_SECONDS} s of SIGTERM"
        yield Violation(image.reference, "main process", expected, f"{run.term_seconds:.1f} s, exit {run.exit_code}")
