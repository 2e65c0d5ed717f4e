"""What a probe raises that can't be asked."""

from __future__ import annotations


class Unusable(Exception):
    """Nobody can be asked: this says nothing about what was to be probed. The text says why."""
