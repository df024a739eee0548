"""Rules of the components' images."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from acceptance.checks.clauses import timestamp
from acceptance.checks.component_view import ComponentView
from acceptance.checks.finding import Untested, Waived
from acceptance.checks.registry import Violation, check
from acceptance.core.fields import at, format_value, list_at, text_at
from acceptance.kube.pod_templates import image_reference

REPOSITORY = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
TAG = re.compile(r"[A-Za-z0-9.-]+")
PLATFORM = "linux/amd64"
SHELLS = ("sh", "bash", "dash", "ash", "busybox")
CLOCK_SKEW = timedelta(minutes=5)
GRACE_SECONDS = 30
"""A pod's termination grace period by default (Kubernetes)."""


def repository_broken(subject: ComponentView, owner: str, field: str, image: str) -> Iterator[Violation]:
    repository = image_reference(image)[0]
    last = repository.rpartition("/")[2]
    wanted = subject.component.image.repository
    if not REPOSITORY.fullmatch(last):
        yield Violation(owner, field, "a repository of lowercase letters, digits and dashes", format_value(last))
    elif (subject.shipped or subject.snapshot.source == "image") and repository != wanted:
        yield Violation(owner, field, f"the repository {wanted}", format_value(repository))


@check("IMG-01", "static")
def repository_in_the_chart(subject: ComponentView) -> Iterator[Violation]:
    for pod in subject.pods:
        for container in subject.own_images(pod):
            yield from repository_broken(subject, pod.object, f"{container.field}.image", container.image)


@check("IMG-01", "image")
def repository_of_the_image(subject: ComponentView) -> Iterator[Violation]:
    yield from repository_broken(subject, subject.image.reference, "repository", subject.image.reference)


@check("IMG-02")
def tag(subject: ComponentView) -> Iterator[Violation]:
    for pod in subject.pods:
        for container in subject.own_images(pod):
            found = image_reference(container.image)[1]
            if not container.image or not TAG.fullmatch(found):
                wanted = "a tag of letters, digits, dots and dashes"
                yield Violation(pod.object, f"{container.field}.image", wanted, format_value(container.image))


@check("IMG-03", "image")
def digests_are_of_content(subject: ComponentView) -> Iterator[Violation]:
    image = subject.image
    if image.config_digest != image.computed_digest:
        yield Violation(image.reference, "config", image.computed_digest, image.config_digest)
    stated = tuple(str(entry) for entry in list_at(image.config, "rootfs.diff_ids"))
    if stated != image.computed_diff_ids:
        wrong = [
            f"{one} holds {other}" for one, other in zip(stated, image.computed_diff_ids, strict=False) if one != other
        ]
        found = ", ".join(wrong) or f"{len(stated)} stated, {len(image.computed_diff_ids)} there"
        yield Violation(image.reference, "rootfs.diff_ids", "sha256 of each layer", found)


@check("IMG-03", "live")
def pods_run_what_was_built(subject: ComponentView) -> Iterator[Violation]:
    image, facts = subject.image, subject.cluster.facts
    if facts is None:
        raise Untested("digests are read on the node, which this cluster does not allow")
    layers = tuple(layer.diff_id for layer in image.layers)
    compared = 0
    for pod in subject.pods:
        for container in subject.own_images(pod):
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
        raise Untested("no container of the component runs")


def size(subject: ComponentView) -> Iterator[Violation]:
    image, most = subject.image, subject.component.image.max_bytes
    total = sum(layer.compressed_bytes for layer in image.layers)
    if total >= most:
        largest = sorted(image.layers, key=lambda layer: -layer.compressed_bytes)[:3]
        found = ", ".join(f"{layer.compressed_bytes:,} by {layer.created_by or layer.diff_id}" for layer in largest)
        yield Violation(image.reference, "size", f"less than {most:,} bytes compressed", f"{total:,}: {found}")


check("IMG-04")(size)
check("IMG-05")(size)


@check("IMG-06")
def layers(subject: ComponentView) -> Iterator[Violation]:
    count = len(subject.image.layers)
    if not 1 <= count <= 20:
        yield Violation(subject.image.reference, "layers", "1-20", str(count))


@check("IMG-07")
def created_at(subject: ComponentView) -> Iterator[Violation]:
    found = at(subject.image.config, "created")
    moment = timestamp(found)
    now = subject.snapshot.captured_at or datetime.now(UTC)
    if moment is None:
        yield Violation(subject.image.reference, "created", "an ISO 8601 timestamp", format_value(found))
    elif moment.year <= 1980:  # the epoch, or a ZIP file's
        yield Violation(subject.image.reference, "created", "when it was built", format_value(found))
    elif moment > now + CLOCK_SKEW:
        yield Violation(
            subject.image.reference, "created", f"not after {now.isoformat(timespec='seconds')}", format_value(found)
        )


@check("IMG-08")
def platform(subject: ComponentView) -> Iterator[Violation]:
    config = subject.image.config
    found = f"{text_at(config, 'os')}/{text_at(config, 'architecture')}"
    stated = subject.component.image.platform
    if found != stated:
        yield Violation(subject.image.reference, "platform", stated, found)
    elif found != PLATFORM:
        raise Waived(f"the target states the platform {stated} instead of {PLATFORM}")


@check("IMG-09")
def starts_alone(subject: ComponentView) -> Iterator[Violation]:
    run = subject.image.run
    if run is None:
        raise Untested("the image was not started")
    if run.health_status is None or not 200 <= run.health_status < 300:
        path = subject.component.probes.liveness
        found = f"{run.health_status or 'no answer'}; last lines: {run.log_tail[-300:]}"
        yield Violation(subject.image.reference, f"GET {path} without egress", "2xx", found)


@check("IMG-10")
def ends_on_sigterm(subject: ComponentView) -> Iterator[Violation]:
    image = subject.image
    config = image.config
    command = [*list_at(config, "config.Entrypoint"), *list_at(config, "config.Cmd")]
    program = str(command[0]).rpartition("/")[2] if command else ""
    if program in SHELLS and "-c" in map(str, command[1:2]):
        yield Violation(image.reference, "config.Cmd", "exec form", format_value(" ".join(map(str, command))))
    run = image.run
    if run is None or run.term_seconds is None:
        raise Untested("the image was not started")
    if run.term_seconds >= GRACE_SECONDS or run.exit_code == 137:
        wanted = f"ended within {GRACE_SECONDS} s of SIGTERM"
        yield Violation(image.reference, "main process", wanted, f"{run.term_seconds:.1f} s, exit {run.exit_code}")
