"""The API door of keys for programs: one's own, and for administrators everybody's."""

from __future__ import annotations

from typing import Any

from rest_framework.response import Response

from sysmgr import env
from sysmgr.api.envelope import ok
from sysmgr.api.fields import (
    StrictCharField,
    StrictChoiceField,
    StrictIntegerField,
    StrictListField,
    StrictSerializer,
    StrictUUIDField,
    validated,
)
from sysmgr.api.paging import page_of
from sysmgr.api.views import ApiViewSet, parse_uuid
from sysmgr.audit.refusals import refuse
from sysmgr.errors import PermissionDenied

from . import keys
from .models import Role

LATEST = 253402214400  # the last day of the year 9999


class KeyCreateInput(StrictSerializer):
    """`apikey/create`; everything may be left out."""

    name = StrictCharField(required=False, allow_blank=True, max_length=64)
    role = StrictChoiceField(Role.values, required=False)
    expire_time = StrictIntegerField(required=False, allow_null=True, min_value=0, max_value=LATEST)
    ranges = StrictListField(child=StrictCharField(), required=False, max_length=1000)


class KeyRemoveInput(StrictSerializer):
    """`apikey/remove`."""

    key_uuid = StrictUUIDField()


class KeyViewSet(ApiViewSet):
    """`/v1/apikey/...`."""

    def list(self, request: Any) -> Response:
        """List one's own keys; an administrator names another user, or `all`.

        An old client is told of none, so that it makes itself one: it could not know any other.
        """
        gate = self.gate(request)
        assert gate.user is not None
        page = page_of(self, request)
        if env.LEGACY_LOGIN and gate.token is not None and gate.token.legacy:
            return ok({"total_count": 0, "list": []})
        asked = request.query_params.get("user_uuid", "")
        wanted = None if asked == "all" else parse_uuid(asked, "user_uuid") if asked else gate.user.pk
        if wanted != gate.user.pk and not (gate.user.is_superuser and gate.key is None):
            refuse(gate.actor, "call", "keys of another user")
            raise PermissionDenied("user_uuid")
        return ok(keys.key_list(wanted, page))

    def create(self, request: Any) -> Response:
        """Make a key; `uuid` is the key itself, shown now and never again."""
        body = validated(KeyCreateInput, request.data)
        gate = self.gate(request)
        assert gate.user is not None and gate.token is not None  # the gate lets no key come here
        clear, key = keys.create_key(gate.user.pk, keys.Wanted(**body), gate.actor, legacy=gate.token.legacy)
        return ok({"uuid": clear, **keys.facts(key)})

    def remove(self, request: Any) -> Response:
        """Remove one of one's own keys; an administrator removes anybody's."""
        body = validated(KeyRemoveInput, request.data)
        gate = self.gate(request)
        assert gate.user is not None
        keys.remove_key(body["key_uuid"], None if gate.user.is_superuser else gate.user.pk, gate.actor)
        return ok({})
