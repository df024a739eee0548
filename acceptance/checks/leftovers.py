"""What development leaves behind: debuggers that others reach, and certificates that are not verified."""

from __future__ import annotations

import re
from collections.abc import Iterator

from acceptance.checks.component_view import ComponentView
from acceptance.checks.image import image_command, image_variables
from acceptance.checks.processes import LOOPBACK
from acceptance.checks.registry import Violation, check
from acceptance.core.fields import format_value, list_at

DEBUGGER = re.compile(r"(?:--inspect(?:-brk|-wait|-port)?=|debugpy\b.*?--listen[= ]|jdwp\S*?address=)(\S+)")
"""Options of Node.js, Python and Java that name a debugger's address; a port alone is one of loopback."""
UNVERIFIED = (
    (r"NODE_TLS_REJECT_UNAUTHORIZED|PYTHONHTTPSVERIFY", r"0"),
    (
        r"(\w+_)?(SSL|TLS|HTTPS|CERTS?)_?VERIFY|(\w+_)?VERIFY_?(SSL|TLS|HTTPS|CERTS?|CERTIFICATES?)",
        r"0|false|no|off|none",
    ),
    (r"\w*(SSL|TLS)_?(NO|SKIP)_?VERIFY|\w*(SKIP|IGNORE|DISABLE)_?(SSL|TLS|CERT)\w*", r"1|true|yes|on"),
)
"""Names of variables that switch the verification of certificates, and the values that switch it off."""


@check("SCY-11", "static")
def pods_start_no_debugger(view: ComponentView) -> Iterator[Violation]:
    """SCY-11: no command or variable of a pod starts a debugger that listens to other pods."""
    for pod in view.workloads():
        for container in pod.containers():
            texts = {
                f"{container.field}.{key}": " ".join(map(str, list_at(container.body, key)))
                for key in ("command", "args")
            }
            for variable in view.environment(container):
                texts[f"{container.field}.env[{variable.name}]"] = view.value_of(variable) or ""
            for field, text in texts.items():
                if address := open_debugger(text):
                    yield Violation(pod.object, field, "no debugger", address)


@check("SCY-11", "image")
def image_starts_no_debugger(view: ComponentView) -> Iterator[Violation]:
    """SCY-11: neither the image's command nor a variable of it starts a debugger that listens to other pods."""
    texts = {"config.Cmd": " ".join(image_command(view))}
    texts |= {f"config.Env {name}": value for name, value in image_variables(view).items()}
    for field, text in texts.items():
        if address := open_debugger(text):
            yield Violation(view.image.reference, field, "no debugger", address)


@check("SCY-12", "static")
def pods_verify_certificates(view: ComponentView) -> Iterator[Violation]:
    """SCY-12: no variable of a pod switches the verification of certificates off."""
    for pod in view.workloads():
        for container in pod.containers():
            for variable in view.environment(container):
                value = view.value_of(variable)
                if value is not None and switches_verification_off(variable.name, value):
                    field = f"{container.field}.env[{variable.name}]"
                    yield Violation(pod.object, field, "certificates are verified", format_value(value))


@check("SCY-12", "image")
def image_verifies_certificates(view: ComponentView) -> Iterator[Violation]:
    """SCY-12: no variable of the image switches the verification of certificates off."""
    for name, value in image_variables(view).items():
        if switches_verification_off(name, value):
            field = f"config.Env {name}"
            yield Violation(view.image.reference, field, "certificates are verified", format_value(value))


def open_debugger(text: str) -> str:
    """Return the address of a debugger that a command or option starts for others than the pod itself, or nothing."""
    for match in DEBUGGER.finditer(text):
        host, colon, _ = match[1].rpartition(":")
        host = host if colon else match[1]
        if not host.isdecimal() and not LOOPBACK.fullmatch(host):
            return match[0]
    return ""


def switches_verification_off(name: str, value: str) -> bool:
    """Return whether a variable of this name and value switches the verification of certificates off."""
    return any(
        re.fullmatch(names, name, re.IGNORECASE) and re.fullmatch(values, value, re.IGNORECASE)
        for names, values in UNVERIFIED
    )
