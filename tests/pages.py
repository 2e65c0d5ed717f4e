"""What tests of the admin's pages share: who is logged in, where pages are, what must not stand in them."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlsplit

from django.db.models import Model
from django.test import Client
from django.urls import reverse

from sysmgr.accounts.models import User

LANGUAGES = ("en", "zh-hans")


def url(model: type[Model], page: str, *args: Any) -> str:
    """Return the address of one of a model's pages."""
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=args)


def enter(role: str, language: str = "en", **kwargs: Any) -> Client:
    """Return the client of a user with this role who is logged in."""
    client = Client(headers={"Accept-Language": language}, **kwargs)
    user = User.objects.filter(user_name=f"the-{role}").first()
    client.force_login(user or User.objects.create_user(f"the-{role}", None, role=role))
    return client


def said(answer: Any) -> list[str]:
    """Return the messages that the page after an act shows."""
    return [str(message) for message in answer.context["messages"]]


def refusals(answer: Any) -> str:
    """Return what is wrong with the form that a page shows."""
    assert answer.status_code == 200, answer.status_code
    return "; ".join(text for texts in answer.context["form"].errors.values() for text in texts)


class _Faults(HTMLParser):
    """Collects what the content policy would stop: scripts in the page, handlers in attributes, other hosts."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Look at one tag."""
        given = dict(attrs)
        data = (given.get("type") or "").endswith("json")
        if tag == "script" and not given.get("src") and not data:
            self.found.append("a script in the page")
        for name, value in attrs:
            if re.fullmatch(r"on[a-z]+", name):
                self.found.append(f"{tag} {name}")
            address = urlsplit(value or "") if name in ("src", "href", "action", "hx-get", "hx-post") else urlsplit("")
            if address.scheme == "javascript" or address.netloc:
                self.found.append(f"{tag} {name}={value}")


def faults(answer: Any) -> list[str]:
    """Return what of a page a browser would refuse or fetch elsewhere."""
    parser = _Faults()
    parser.feed(answer.content.decode())
    return parser.found
