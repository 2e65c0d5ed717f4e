"""What tests of settings pages share: reading the form that a page shows, sending it back changed."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from cluster.models import Cluster
from settings_app.models import SettingRevision
from settings_app.models.base import Section
from sysmgr.accounts.models import Role, User


class _Inputs(HTMLParser):
    """Collects what a browser would send when the form is saved as it stands."""

    def __init__(self) -> None:
        super().__init__()
        self.values: dict[str, str] = {}
        self._select = self._area = ""
        self._first = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Read an input, a select's choice or the start of a text area."""
        found = dict(attrs)
        name = found.get("name") or ""
        if tag == "input" and name and found.get("type") not in ("submit", "button"):
            if found.get("type") != "checkbox" or "checked" in found:
                self.values[name] = found.get("value") or ("on" if found.get("type") == "checkbox" else "")
        elif tag == "select":
            self._select = name
            self._first = True
        elif tag == "option" and self._select and (self._first or "selected" in found):
            self.values[self._select] = found.get("value") or ""
            self._first = False
        elif tag == "textarea":
            self._area = name
            self.values[name] = ""

    def handle_endtag(self, tag: str) -> None:
        """Leave a select or a text area."""
        if tag == "select":
            self._select = ""
        elif tag == "textarea":
            self._area = ""

    def handle_data(self, data: str) -> None:
        """Collect a text area's text; the first line break after its tag is none of it."""
        if self._area:
            self.values[self._area] += data if self.values[self._area] else data.removeprefix("\r\n").removeprefix("\n")


def url(model: type[Section], cluster: Cluster, page: str = "change") -> str:
    """Return the address of the section's page."""
    args = [] if page == "changelist" else [cluster.pk]
    return reverse(f"admin:settings_app_{model._meta.model_name}_{page}", args=args)


def enter(role: str = Role.ADMINISTRATOR, **headers: str) -> Client:
    """Return the client of a new user who is logged in."""
    client = Client(headers=headers)
    client.force_login(User.objects.create_user(f"the-{role}", None, role=role))
    return client


def inputs(client: Client, model: type[Section], cluster: Cluster) -> dict[str, str]:
    """Return what the page's form holds."""
    return read(client.get(url(model, cluster)))


def read(page: Any) -> dict[str, str]:
    """Return what a browser would send from this page."""
    parser = _Inputs()
    parser.feed(page.content.decode())
    return {name: value for name, value in parser.values.items() if name not in ("csrfmiddlewaretoken", "next")}


def save(client: Client, model: type[Section], cluster: Cluster, **changed: Any) -> HttpResponse:
    """Send the page's form back with some inputs changed; None takes one out (an unticked box)."""
    form = {**inputs(client, model, cluster), **changed}
    sent = {name: value for name, value in form.items() if value is not None}
    return client.post(url(model, cluster), {**sent, "_continue": "1"})  # type: ignore[return-value]


def errors(answer: Any) -> dict[str, list[str]]:
    """Return the errors that the page shows, by input; `__all__` is above the form."""
    assert answer.status_code == 200, answer.status_code
    return {name: list(found) for name, found in answer.context["adminform"].form.errors.items()}


def revisions(cluster: Cluster) -> int:
    """Return how many revisions the cluster has."""
    return SettingRevision.objects.filter(cluster=cluster).count()
