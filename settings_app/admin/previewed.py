"""What a change would do, made ready for the page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext

from sysmgr.admin import change_table, in_chinese


def shown(found: Mapping[str, Any], *, secrets: bool) -> dict[str, Any]:
    """Return what the template `admin/settings_app/preview.html` shows of a preview, in the page's language."""
    key = "message_cn" if in_chinese() else "message"
    again = gettext("Type the secrets again before you save: they are not sent back.")
    return {
        "title": gettext("What this change would do; nothing is stored yet"),
        "nothing": gettext("Nothing differs from what is stored."),
        "effects_title": gettext("Effects"),
        "refusals_title": gettext("It would be refused"),
        "changes": change_table(found["changes"]) if found["changes"] else "",
        "effects": [effect[key] for effect in found["effects"]],
        "refusals": [{"path": one["path"], "text": one[key]} for one in found["refusals"]],
        "secrets": again if secrets else "",
    }
