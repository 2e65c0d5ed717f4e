"""What the API's description says of log-in and log-out."""

from __future__ import annotations

from rest_framework import serializers

from sysmgr.api.schema import Answer, describe
from sysmgr.errors import LoginRefused

from .api import LoginInput, LogoutInput
from .models import Role


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


describe(
    "/v1/authentication/login",
    request=LoginInput,
    answer=LoggedIn,
    errors=[LoginRefused],
    cluster=False,
    open=True,
)
describe("/v1/authentication/logout", request=LogoutInput, cluster=False)
