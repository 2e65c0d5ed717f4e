"""The colors that the default cluster's settings give the admin: one small stylesheet, read with each page."""

from __future__ import annotations

import re

from django.http import HttpRequest, HttpResponse

from settings_app.selectors import front_style

_COLOR = re.compile(r"#[0-9a-fA-F]{6}")
_HALF = 128


def stylesheet(request: HttpRequest) -> HttpResponse:
    """Return the colors of the navigation and of the page; the theme's dark mode keeps its own. One query."""
    style = front_style()
    rules = [
        *_rules("#nav-sidebar, #nav-sidebar-inner", style.navigate_color, "#nav-sidebar-inner :is(a, h2, div, span)"),
        *_rules("#page, #main", style.main_body_color, "#main :is(h1, h2, p)"),
    ]
    return HttpResponse("\n".join(rules), content_type="text/css; charset=utf-8", headers={"Cache-Control": "no-cache"})


def _rules(places: str, color: str, words: str) -> list[str]:
    if not _COLOR.fullmatch(color):
        return []
    found = [f"html:not(.dark) :is({places}) {{ background: {color} }}"]
    if _is_dark(color):
        found.append(f"html:not(.dark) {words} {{ color: #ffffff }}")
    return found


def _is_dark(color: str) -> bool:
    """Tell whether white words read better on it."""
    red, green, blue = (int(color[place : place + 2], 16) for place in (1, 3, 5))
    return (299 * red + 587 * green + 114 * blue) / 1000 < _HALF
