"""What the API's description says of users and passwords."""

from __future__ import annotations

from rest_framework import serializers

from sysmgr.api import schema
from sysmgr.api.schema import Answer, describe, moment, string
from sysmgr.errors import UserExists

from .factor_errors import LastWhoPasses
from .login_errors import HashQueueFull, LoginLocked
from .models import Role
from .user_api import NewUserInput, PasswordInput, UserInput, WhichUserInput
from .user_errors import LastAdministrator, OldPasswordWrong, UserNotFound


class User(Answer):
    """A user."""

    user_uuid = serializers.UUIDField()
    user_name = serializers.CharField()
    role = serializers.ChoiceField(Role.values)
    email = string()
    enabled = serializers.BooleanField()
    create_time = moment()


class MadeUser(User):
    """The same, with the one-time link where it was not mailed."""

    password_link = serializers.CharField(required=False, help_text="Shown once; good once, for 24 h.")


class ListedUser(User):
    """The same, with the state of the account."""

    last_login = moment(allow_null=True)
    must_change_password = serializers.BooleanField(help_text="All that the user may do now is to change it.")
    second_factor = serializers.BooleanField(help_text="Whether a second factor is confirmed.")
    legacy = serializers.BooleanField(help_text="Whether an old client can log in with the MD5 of the password.")
    locked = serializers.BooleanField(help_text="Whether log-ins from at least one address are locked.")


NAME = schema.text("filter_name", "Only users with this text in their name.")
LAST = [LastAdministrator, LastWhoPasses]
describe("user/list", answer=ListedUser, many=True, query=[*schema.paging(), NAME], cluster=False)
describe("user/create", request=NewUserInput, answer=MadeUser, errors=[UserExists, HashQueueFull], cluster=False)
describe("user/update", request=UserInput, answer=MadeUser, errors=[UserNotFound, *LAST, HashQueueFull], cluster=False)
describe("user/remove", request=WhichUserInput, errors=[UserNotFound, *LAST], cluster=False)
describe(
    "/v1/authentication/password/change",
    request=PasswordInput,
    errors=[OldPasswordWrong, LoginLocked, HashQueueFull],
    cluster=False,
)
