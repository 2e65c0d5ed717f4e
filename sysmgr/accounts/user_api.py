"""The API door of users, and of one's own password."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from rest_framework.response import Response

from sysmgr.api.envelope import ok
from sysmgr.api.fields import (
    StrictBooleanField,
    StrictCharField,
    StrictChoiceField,
    StrictSerializer,
    StrictUUIDField,
    validated,
)
from sysmgr.api.paging import page_of
from sysmgr.api.views import ApiViewSet
from sysmgr.errors import InvalidInput, Problem

from . import passwords, users
from .models import Role
from .user_selectors import told, user_list
from .users import NewPassword


class NewUserInput(StrictSerializer):
    """`user/create`: without a password the user sets one through a one-time link."""

    user_name = StrictCharField(max_length=64)
    role = StrictChoiceField(Role.values)
    email = StrictCharField(max_length=254, allow_blank=True, default="")
    enabled = StrictBooleanField(default=True)
    password = StrictCharField(required=False)
    must_change_password = StrictBooleanField(default=False)


class WhichUserInput(StrictSerializer):
    """Which user is meant, by one of the two keys."""

    user_uuid = StrictUUIDField(required=False)
    user_name = StrictCharField(max_length=64, required=False)


class UserInput(WhichUserInput):
    """`user/update`: what is left out stays."""

    role = StrictChoiceField(Role.values, required=False)
    email = StrictCharField(max_length=254, allow_blank=True, required=False)
    enabled = StrictBooleanField(required=False)
    password = StrictCharField(required=False)
    password_link = StrictBooleanField(default=False)
    must_change_password = StrictBooleanField(required=False)


class PasswordInput(StrictSerializer):
    """`password/change`."""

    old_password = StrictCharField()
    new_password = StrictCharField()


class UserViewSet(ApiViewSet):
    """`/v1/system/user/...`."""

    def list(self, request: Any) -> Response:
        """List the users."""
        return ok(user_list(page_of(self, request), self.gate(request).policy, timezone.now()))

    def create(self, request: Any) -> Response:
        """Make a user; without a password he gets a one-time link, by mail or once in this answer."""
        body = validated(NewUserInput, request.data)
        account = users.create_user(
            body["user_name"],
            body["role"],
            self.gate(request).actor,
            email=body["email"],
            enabled=body["enabled"],
            password=NewPassword(body.get("password")),
            must_change=body["must_change_password"],
        )
        return ok(told(account))

    def update(self, request: Any) -> Response:
        """Change a user; a password that is set so must be changed by its owner unless the call says otherwise."""
        body = validated(UserInput, request.data)
        if body["password_link"] and "password" in body:
            english = "must be left out where a link is asked for: its user sets the password"
            raise InvalidInput([Problem("password", english, "请求一次性链接时不得提供密码：由用户自行设置")])
        password = None
        if body["password_link"] or "password" in body:
            password = NewPassword(body.get("password"))
        values: dict[str, Any] = {key: body[key] for key in ("role", "email", "must_change_password") if key in body}
        if "enabled" in body:
            values["is_active"] = body["enabled"]
        user = _which(body)
        account = users.update_user(user.pk, values, self.gate(request).actor, password=password)
        return ok(told(account))

    def remove(self, request: Any) -> Response:
        """Remove a user; the audit keeps his name."""
        user = _which(validated(WhichUserInput, request.data))
        users.remove_user(user.pk, self.gate(request).actor)
        return ok({})


class PasswordViewSet(ApiViewSet):
    """`/v1/authentication/password/...`."""

    def change(self, request: Any) -> Response:
        """Change one's own password; this token goes on, the others end."""
        body = validated(PasswordInput, request.data)
        passwords.change_own(self.gate(request).actor, body["old_password"], body["new_password"])
        return ok({})


def _which(body: dict[str, Any]) -> Any:
    if "user_uuid" not in body and "user_name" not in body:
        raise InvalidInput([Problem("user_uuid", "or user_name is required", "必须提供 user_uuid 或 user_name")])
    return users.find_user(body.get("user_uuid"), body.get("user_name"))
