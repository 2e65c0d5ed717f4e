"""Where the stored settings differ from a file: reads only, and compares a secret only where it is at hand."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID

from settings_app.sections import difference
from settings_app.selectors import render_settings
from sysmgr.crypto import MASK

from .references import places


def drift(cluster_uuid: UUID, wanted: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return [{path, from, to}] of what is stored and what the file wants, secrets without their value.

    What `wanted` does not name is not compared, nor a secret that it masks. Queries: two.
    """
    stored = render_settings(cluster_uuid, clear=True)
    after = _merged(stored, copy.deepcopy(dict(wanted)))
    former = {_id(path, inside): inside[key] for inside, key, path in places(stored)}
    changed = []
    for inside, key, path in places(after):
        before = former.get(_id(path, inside), "")
        if inside[key] == MASK:
            inside[key] = before
        elif inside[key] != before:
            changed.append(path)
    found = difference(_masked(stored), _masked(after))
    told = [{"path": path, "from": None, "to": "changed"} for path in changed]
    hushed = {entry["path"] for entry in told}
    return [entry for entry in found if entry["path"] not in hushed] + told


def _id(path: str, inside: Mapping[str, Any]) -> tuple[str, Any]:
    """Return what a secret is known by: a target's by the target's name, wherever it stands in the list."""
    return path.rpartition(".")[2], inside["name"] if "[" in path else None


def _merged(stored: Any, wanted: Any) -> Any:
    if isinstance(stored, Mapping) and isinstance(wanted, Mapping):
        return {**stored, **{key: _merged(stored.get(key), value) for key, value in wanted.items()}}
    return wanted


def _masked(document: Mapping[str, Any]) -> dict[str, Any]:
    hidden = copy.deepcopy(dict(document))
    for inside, key, _path in places(hidden):
        inside[key] = MASK if inside[key] else ""
    return hidden


def not_compared(document: Mapping[str, Any], missing: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """Yield {path, variable} of the secrets that a resolved document masks; null where the file says the mask."""
    for inside, key, path in places(document):
        if inside[key] == MASK:
            yield {"path": path, "variable": missing.get(path)}
