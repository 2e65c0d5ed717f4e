"""What a walk looks at: which rows a write added, and whether a planted secret stands in any trace."""

from __future__ import annotations

import json
from typing import Any

from django.test import Client

from sysmgr.audit.models import AuditRow
from sysmgr.events.models import Alert, Event
from tests.contract.described import DescribedClient

PLANTED = (
    "Planted-Password-1",
    "Planted-Password-2",
    "Planted-Password-3",
    "planted-smtp",
    "planted-community",
    "planted-auth",
)


class Trace:
    """Calls writes one after the other; remembers what was called and every secret that an answer told."""

    def __init__(self) -> None:
        self.called: set[str] = set()
        self.secrets: set[str] = set(PLANTED)
        self.silent: list[str] = []

    def post(self, client: Client, path: str, body: Any, **more: Any) -> Any:
        """Make a successful call that must leave a row; return its data."""
        before = AuditRow.objects.count()
        address = path if path.startswith("/v1/") else f"/v1/system/{path}"
        answer = client.post(address, json.dumps(body), content_type="application/json", **more)
        assert answer.status_code == 200, (path, answer.content)
        self.wrote(address, before)
        return answer.json()["data"] if answer["Content-Type"] == "application/json" else None

    def wrote(self, name: str, before: int) -> None:
        """Note that `name` was walked; without a new row it was silent."""
        self.called.add(name)
        if AuditRow.objects.count() == before:
            self.silent.append(name)

    def client(self, token: str) -> Client:
        """Return a client that carries a token, which is a secret from now on."""
        self.secrets.add(token)
        return DescribedClient(headers={"Authorization": f"Bearer {token}"})

    def told(self, *texts: str) -> None:
        """Remember secrets that an answer told once."""
        self.secrets |= set(texts)

    def leaks(self, log: str) -> list[tuple[str, str]]:
        """Return (where, secret) of each secret in audit, events, alerts or log."""
        places = {
            "audit": json.dumps(list(AuditRow.objects.values()), default=str, ensure_ascii=False),
            "events": json.dumps(list(Event.objects.values()), default=str, ensure_ascii=False),
            "alerts": json.dumps(list(Alert.objects.values()), default=str, ensure_ascii=False),
            "log": log,
        }
        return [(place, secret) for place, text in places.items() for secret in self.secrets if secret in text]
