"""Documents that are made from the source: `manage.py write_docs` writes them, a test compares them."""

from __future__ import annotations

from collections.abc import Callable

from sysmgr.api import description
from sysmgr.env import BASE_DIR

from . import error_list, setting_list

FOLDER = BASE_DIR / "docs"
COMMAND = "manage.py write_docs"
DOCUMENTS: dict[str, Callable[[], str]] = {
    "errors.md": error_list.text,
    "settings.md": setting_list.text,
    "openapi.json": description.text,
}


def stale() -> list[str]:
    """Return the names of the documents whose committed file is not what the source says."""

    def committed(name: str) -> str:
        path = FOLDER / name
        return path.read_text() if path.exists() else ""

    return [name for name, make in DOCUMENTS.items() if committed(name) != make()]
