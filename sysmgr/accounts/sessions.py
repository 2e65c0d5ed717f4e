"""Log-ins and log-outs at the admin's pages, written to the audit as those at the API are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.http import HttpRequest

from sysmgr.api.gate import client_address
from sysmgr.audit.services import Actor, record

from .models import User


def _write(request: HttpRequest, user_name: str, action: str, result: str = "success") -> None:
    actor = Actor(user_name, "admin", client_address(request), getattr(request, "request_id", ""))
    record(actor, action, f"user {user_name}", result=result)


def logged_in(sender: Any, request: HttpRequest, user: User, **kwargs: Any) -> None:
    """Record that a session began."""
    _write(request, user.user_name, "login")


def logged_out(sender: Any, request: HttpRequest, user: User | None, **kwargs: Any) -> None:
    """Record that a session ended; without a user there was none."""
    if user is not None:
        _write(request, user.user_name, "logout")


def refused(sender: Any, credentials: Mapping[str, Any], request: HttpRequest | None = None, **kwargs: Any) -> None:
    """Record a wrong log-in. The API's has no request here: its service writes its own row."""
    if request is not None:
        _write(request, str(credentials.get("username", "")), "login", "refused")


def connect() -> None:
    """Listen to Django's sessions, once a process."""
    user_logged_in.connect(logged_in, dispatch_uid="audit")
    user_logged_out.connect(logged_out, dispatch_uid="audit")
    user_login_failed.connect(refused, dispatch_uid="audit")
