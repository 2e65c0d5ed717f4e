"""What the API's description says of keys for programs."""

from __future__ import annotations

from rest_framework import serializers

from sysmgr.api import schema
from sysmgr.api.schema import Answer, describe, moment, string, strings

from .key_api import KeyCreateInput, KeyRemoveInput
from .key_errors import KeyNotFound, TooManyKeys
from .models import Role


class Key(Answer):
    """A key for programs, without the key itself."""

    key_uuid = serializers.UUIDField()
    user_name = serializers.CharField()
    name = string()
    role = serializers.ChoiceField(Role.values)
    ranges = strings()
    create_time = moment()
    expire_time = moment(allow_null=True)
    last_used_time = moment(allow_null=True)
    legacy = serializers.BooleanField(help_text="Made by an old client for itself.")


class NewKey(Key):
    """The key itself is `uuid`: send it in the header `ApiKey`, or as a bearer token."""

    uuid = serializers.CharField()


WHOSE = schema.text("user_uuid", "Another user (administrators only), or `all`.")
NAME = schema.text("filter_name", "Only keys with this text in their name.")
describe("/v1/apikey/list", answer=Key, many=True, query=[*schema.paging(), WHOSE, NAME], cluster=False)
describe("/v1/apikey/create", request=KeyCreateInput, answer=NewKey, errors=[TooManyKeys], cluster=False)
describe("/v1/apikey/remove", request=KeyRemoveInput, errors=[KeyNotFound], cluster=False)
