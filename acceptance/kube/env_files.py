"""Files of environments that a ConfigMap holds: one key whose text sets many variables, a line each."""

from __future__ import annotations

import re

from acceptance.core.fields import Object, mapping_at

ASSIGNMENT = re.compile(r"^\s*(?:export\s+)?([A-Za-z_]\w*)\s*=", re.MULTILINE)


def variables_of_files(config_map: Object) -> dict[str, str]:
    """Return the variables that a ConfigMap's files of environments set, each with its file's key."""
    return {
        name: str(key)
        for key, text in mapping_at(config_map, "data").items()
        if is_env_file(str(key), text)
        for name in ASSIGNMENT.findall(text)
    }


def is_env_file(key: str, text: object) -> bool:
    """Whether a ConfigMap's value is a file that sets variables rather than the value of one setting."""
    if not isinstance(text, str):
        return False
    return ("." in key or "\n" in text.strip()) and ASSIGNMENT.search(text) is not None
