"""Rules of users, file systems and privileges of pods: those of the components and of every other template."""

from __future__ import annotations

from collections.abc import Iterator

from acceptance.checks.component_view import ComponentView
from acceptance.checks.finding import Untested
from acceptance.checks.registry import Violation, check
from acceptance.core.dockerfile import final_stage, final_user, instructions
from acceptance.core.fields import at, format_value, mappings_at, text_at
from acceptance.kube.pod_security import effective, host_access, restricted
from acceptance.kube.pod_templates import Container, Pod, image_reference

UID = 1000
NOT_PERSISTENT = ("name", "emptyDir", "configMap", "secret", "projected", "downwardAPI", "image")


def is_first(view: ComponentView) -> bool:
    """Whether it is the view of the first component, which judges what belongs to no component."""
    return view.component_name == next(iter(view.target.components), None)


def other_pods(view: ComponentView) -> list[Pod]:
    """Return the pod templates that belong to no component, for the first component alone."""
    return view.extra_workloads() if is_first(view) else []


def judged_pods(view: ComponentView) -> Iterator[Pod]:
    """Yield the pod templates that belong to no component, then the component's pods."""
    yield from other_pods(view)
    yield from view.pods


def runs_component(view: ComponentView, container: Container) -> bool:
    """Whether the container's image is one of a component: what the target names, or what its main container runs."""
    repository = image_reference(container.image)[0]
    for each in view.for_each_component():
        if repository == each.component.image.repository:
            return True
        if (deployment := each.find_deployment()) is not None:
            pod = Pod(deployment, "spec.template", at(deployment, "spec.template") or {})
            if repository == image_reference(each.main_container(pod).image)[0]:
                return True
    return False


def image_user(view: ComponentView) -> tuple[str, int | None] | None:
    """Return the user of the component's image and its UID, which is None for an unknown name; None if unknown."""
    name = view.component_name or ""
    if (image := view.snapshot.images.get(name)) is not None:
        user = text_at(image.config, "config.User")
        return user, user_id(user or "0", image.passwd)
    dockerfile = view.snapshot.chart.dockerfiles.get(name) if view.snapshot.chart else None
    if dockerfile is None or (user := final_user(dockerfile) or "") == "":
        return None
    return user, user_id(user, "root:x:0:")


def user_id(user: str, passwd: str) -> int | None:
    """Return the UID of an image's user, a number or a name in its /etc/passwd; None if it is neither."""
    name = user.partition(":")[0]
    if name.isdecimal():
        return int(name)
    for line in passwd.splitlines():
        fields = line.split(":")
        if len(fields) > 2 and fields[0] == name and fields[2].isdecimal():
            return int(fields[2])
    return None


def unverifiable(user: str) -> bool:
    """Whether the kubelet refuses to start an image of this user under runAsNonRoot: it compares numbers only."""
    return user != "" and not user.partition(":")[0].isdecimal()


@check("SCY-01", "static", "live")
def runs_as_1000(view: ComponentView) -> Iterator[Violation]:
    """SCY-01: the pod spec enforces UID 1000 for every container."""
    unknown = False
    for pod in view.pods:
        own = {container.field for container in view.own_images(pod)}
        for container in pod.containers():
            user = effective(pod, container, "runAsUser")
            if user == UID:
                continue
            field = f"{container.field}.securityContext"
            expected = f"runAsUser {UID}, or runAsNonRoot over an image user {UID}"
            enforced = effective(pod, container, "runAsNonRoot") is True
            image = image_user(view) if container.field in own else None
            if user is not None:
                yield Violation(pod.object, field, expected, format_value(user))
            elif not enforced:
                yield Violation(pod.object, field, expected, "no runAsUser and no runAsNonRoot")
            elif image is None:
                unknown = True
            elif unverifiable(image[0]):
                actual = f"runAsNonRoot over the image user {format_value(image[0])}, a name, which the kubelet refuses"
                yield Violation(pod.object, field, f"runAsUser {UID}, or a number as the image's user", actual)
            elif image[1] != UID:
                yield Violation(pod.object, field, expected, f"runAsNonRoot over the image user {image[0] or 'root'}")
    if unknown:
        raise Untested("runAsNonRoot is set without runAsUser, and the image's user is unknown")


@check("SCY-01", "static")
def dockerfile_ends_as_1000(view: ComponentView) -> Iterator[Violation]:
    """SCY-01: the component's Dockerfile ends with the user 1000, or with a name that may be that user's."""
    text = view.chart.dockerfiles.get(view.component_name or "", "")
    stage = final_stage(text)
    if stage is None:
        return
    owner, expected = f"{view.component_name}'s Dockerfile", f"{UID}, or a name of that user"
    if stage.user:
        if user_id(stage.user, "root:x:0:") not in (None, UID):
            yield Violation(owner, "USER", expected, stage.user)
    elif not any(each.keyword == "USER" for each in instructions(text)):
        yield Violation(owner, "USER", expected, f"none: the user of {stage.base}, often root", derived=True)


@check("SCY-01", "static")
def no_other_pod_runs_as_root(view: ComponentView) -> Iterator[Violation]:
    """SCY-01: jobs, hooks and tests run no container as root, and a component's image as UID 1000."""
    for pod in other_pods(view):
        for container in pod.containers():
            user, enforced = (effective(pod, container, name) for name in ("runAsUser", "runAsNonRoot"))
            field = f"{container.field}.securityContext"
            if user == 0:
                yield Violation(pod.object, field, f"runAsUser {UID}", "0, root")
            elif user is None and enforced is not True:
                expected = f"runAsUser {UID}, or runAsNonRoot"
                yield Violation(pod.object, field, expected, "neither: the image's user may be root", derived=True)
            elif user not in (None, UID) and runs_component(view, container):
                expected = f"runAsUser {UID}, as the component's image"
                yield Violation(pod.object, field, expected, format_value(user))


@check("SCY-01", "live")
def processes_are_1000(view: ComponentView) -> Iterator[Violation]:
    """SCY-01: every container's process runs as UID 1000."""
    facts = view.cluster.facts
    if facts is None:
        raise Untested("the users of processes are read on the node, which this cluster does not allow")
    for pod in view.pods:
        for container in pod.containers():
            process = facts.get((pod.name, container.name))
            if process is not None and process.uid != UID:
                yield Violation(pod.object, container.field, f"a process of UID {UID}", str(process.uid))


@check("SCY-01", "image")
def image_user_is_1000(view: ComponentView) -> Iterator[Violation]:
    """SCY-01: the image's user is UID 1000, and a number where the pod relies on the image."""
    image = view.image
    user = text_at(image.config, "config.User")
    if user_id(user, image.passwd) != UID:
        expected = f"{UID}, or a name of it in /etc/passwd"
        yield Violation(image.reference, "config.User", expected, format_value(user or None))
    elif unverifiable(user) and view.snapshot.objects:
        for pod in view.pods:
            for container in view.own_images(pod):
                if effective(pod, container, "runAsUser") is None and effective(pod, container, "runAsNonRoot") is True:
                    expected = f"{UID}: {pod.object} sets runAsNonRoot without runAsUser, so the kubelet needs a number"
                    yield Violation(image.reference, "config.User", expected, format_value(user))


@check("SCY-02")
def root_is_read_only(view: ComponentView) -> Iterator[Violation]:
    """SCY-02: the root file system is read-only, and writable mounts are emptyDirs."""
    facts = view.snapshot.cluster.facts if view.snapshot.cluster else None
    for pod in judged_pods(view):
        volumes = {text_at(volume, "name"): volume for volume in mappings_at(pod.spec, "volumes")}
        own = not any(pod.owner is other.owner for other in other_pods(view))
        for container in pod.containers():
            derived = not own and not runs_component(view, container)
            actual = at(container.body, "securityContext.readOnlyRootFilesystem")
            if actual is not True:
                field = f"{container.field}.securityContext.readOnlyRootFilesystem"
                yield Violation(pod.object, field, "true", format_value(actual), derived=derived)
            for mount in mappings_at(container.body, "volumeMounts"):
                volume = volumes.get(text_at(mount, "name"), {})
                persistent = [str(kind) for kind in volume if kind not in NOT_PERSISTENT]
                if persistent and at(mount, "readOnly") is not True:
                    field = f"{container.field}.volumeMounts[{text_at(mount, 'mountPath')}]"
                    actual = ", ".join(persistent)
                    yield Violation(pod.object, field, "an emptyDir, if writable", actual, derived=derived)
            process = facts.get((pod.name, container.name)) if facts else None
            if process is not None and not process.read_only_root:
                yield Violation(pod.object, f"{container.field} mount of /", "read-only", "writable")


@check("SCY-03")
def no_host_access(view: ComponentView) -> Iterator[Violation]:
    """SCY-03: no host namespace and no privileged container."""
    for pod in judged_pods(view):
        for each in host_access(pod):
            yield Violation(pod.object, each.field, each.allowed, format_value(each.actual))


@check("SCY-03")
def admitted_by_restricted(view: ComponentView) -> Iterator[Violation]:
    """SCY-03: Pod Security's profile `restricted` admits the pods of every template."""
    for pod in judged_pods(view):
        for each in restricted(pod):
            yield Violation(pod.object, each.field, each.allowed, format_value(each.actual), derived=True)
