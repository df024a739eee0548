"""What keeps a measurement from being judged."""

from __future__ import annotations


class InconclusiveError(Exception):
    """A measurement can't be judged, by its own evidence: it is incomplete, late, or the machine was starved.

    Never a finding. An experiment that ends so is repeated once.
    """
