"""What the API's description says of log-in and log-out."""

from __future__ import annotations

from rest_framework import serializers

from sysmgr.api import schema
from sysmgr.api.schema import Answer, describe, moment, string
from sysmgr.errors import LoginRefused

from . import factor_openapi, key_openapi, user_openapi  # noqa: F401
from .api import LoginInput, LogoutInput
from .factor_errors import OtpRequired, SecondFactorMissing
from .login_errors import HashQueueFull, LoginLocked, SessionNotFound
from .models import Role, Token
from .session_api import SessionEndInput


class MemberList(Answer):
    """Who leads and who could; without a leader, `leader` is the replica that answered."""

    leader = serializers.CharField()
    candidates = serializers.ListField(child=serializers.CharField())


class Notice(Answer):
    """Something that the user should know, as that the password will expire."""

    message = serializers.CharField()
    message_cn = serializers.CharField()


class LoggedIn(Answer):
    """The token, whose it is, and what a client needs to go on."""

    token = serializers.CharField()
    expire_time = serializers.IntegerField(help_text="Epoch seconds.")
    user_uuid = serializers.UUIDField()
    user_name = serializers.CharField()
    user_role = serializers.ChoiceField(Role.values)
    tenant_uuid = serializers.CharField(allow_blank=True)
    default_cluster_uuid = serializers.CharField(allow_blank=True)
    must_change_password = serializers.BooleanField()
    notices = Notice(many=True)
    system_member_list = MemberList()
    role = serializers.CharField(required=False, help_text="For old clients, while SYSMGR_LEGACY_LOGIN is on.")
    tenant = serializers.CharField(required=False, allow_blank=True, help_text="As `role`.")
    enable_ldap = serializers.IntegerField(required=False, help_text="As `role`; always 0.")


describe(
    "/v1/authentication/login",
    request=LoginInput,
    answer=LoggedIn,
    errors=[LoginRefused, LoginLocked, HashQueueFull, OtpRequired, SecondFactorMissing],
    cluster=False,
    open=True,
)
describe("/v1/authentication/logout", request=LogoutInput, cluster=False)


class Session(Answer):
    """A log-in that is under way, never what opens it."""

    session_uuid = serializers.UUIDField()
    create_time = moment()
    last_used_time = moment()
    source = string()  # type: ignore[assignment]
    expire_time = moment()
    user_name = serializers.CharField()
    door = serializers.ChoiceField(Token.Door.values)
    current = serializers.BooleanField(help_text="Whether it is the one that asks.")


WHOSE = schema.text("user_uuid", "Another user (administrators only), or `all`.")
NAME = schema.text("filter_name", "Only of users with this text in their name.")
describe(
    "/v1/authentication/session/list",
    answer=Session,
    many=True,
    query=[*schema.paging(), WHOSE, NAME],
    cluster=False,
)
describe(
    "/v1/authentication/session/end",
    request=SessionEndInput,
    errors=[SessionNotFound],
    cluster=False,
)
