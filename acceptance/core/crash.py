"""An unexpected exception as one sentence."""

from __future__ import annotations

import traceback
from pathlib import Path

from acceptance.core.rules import CHECKOUT


def crash_sentence(error: BaseException) -> str:
    """Return what went wrong, and the place in the suite's own code where it did."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if Path(frame.filename).is_relative_to(CHECKOUT / "acceptance")]
    where = "".join(f" ({Path(each.filename).relative_to(CHECKOUT)}:{each.lineno})" for each in own[-1:])
    what = (str(error).splitlines() or [""])[0]
    return f"the suite itself failed: {type(error).__name__}: {what}{where}"
