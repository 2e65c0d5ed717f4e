"""What of a payload has to travel: the host's answer to `need`."""

from __future__ import annotations

import re
from collections.abc import Sequence

from upgrades.package.manifest import FileEntry

_RANGE = re.compile(r"(\d{1,9})(?:-(\d{1,9}))?")
_HAVE = re.compile(r"have (\d{1,9}) (\d{1,18})")


def lacking(answer: str, files: Sequence[FileEntry]) -> dict[int, int]:
    """Return the files that a host lacks, by their places in the service's list (from 1), each with the bytes that are
    there already. An answer without sense brings everything: the host checks it all again."""
    lines = answer.splitlines()
    told = next((line for line in lines if line.split(" ")[0] == "need"), None)
    try:
        places = _places(told, len(files))
    except ValueError:
        return dict.fromkeys(range(1, len(files) + 1), 0)
    wanted = dict.fromkeys(places, 0)
    for found in filter(None, map(_HAVE.fullmatch, lines)):
        place, there = int(found[1]), int(found[2])
        if place in wanted and 0 < there < files[place - 1].size:
            wanted[place] = there
    return wanted


def _places(told: str | None, most: int) -> list[int]:
    """Return the numbers of a line like `need 3-17 40`; ValueError where it names none, or some that are not there."""
    if told is None:
        raise ValueError
    places: list[int] = []
    for word in told.split(" ")[1:]:
        found = _RANGE.fullmatch(word)
        if found is None:
            raise ValueError(word)
        first, last = int(found[1]), int(found[2] or found[1])
        if not (places[-1] if places else 0) < first <= last <= most:
            raise ValueError(word)
        places += range(first, last + 1)
    return places


def bytes_of(wanted: dict[int, int], files: Sequence[FileEntry]) -> int:
    """Return how many bytes of file content have to travel."""
    return sum(files[place - 1].size - there for place, there in wanted.items())
