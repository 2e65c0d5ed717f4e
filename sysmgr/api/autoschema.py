"""How one call becomes an OpenAPI operation: drf-spectacular's mapping of fields inside our own envelopes."""

from __future__ import annotations

from typing import Any

from drf_spectacular.openapi import AutoSchema as SpectacularSchema
from rest_framework import serializers

from sysmgr.errors import SysmgrError

from . import schema
from .fields import StrictSerializer, StrictUUIDField
from .permissions import open_to_keys

# Errors that any call can meet, and those that any body can meet.
ANY = (400, 401, 403, 500, 503)
BODY = (413, 415)
# Strings hold no control characters (contract §1); JSON's own grammar keeps lone surrogates out of most clients.
PRINTABLE = r"^[^\u0000-\u001f\u007f-\u009f]*$"
_ENVELOPES = {
    "standard": ("scode", "desc", "message", "message_cn", "stack", "data"),
    "version": ("status_code", "message_en", "message_cn", "data"),
    "package_list": ("scode", "desc", "message", "message_cn", "messageCn", "stack", "data"),
}
_KEYS: dict[str, dict[str, Any]] = {
    "scode": {"type": "integer", "const": 0},
    "status_code": {"type": "integer", "const": 0},
    "desc": {"type": "string", "const": ""},
    "message": {"type": "string", "const": "success"},
    "message_en": {"type": "string", "const": "success"},
    "message_cn": {"type": "string", "const": "成功"},
    "messageCn": {"type": "string", "const": ""},
    "stack": {"type": "null"},
}


def envelope(kind: str, data: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a success in one of the documented envelopes."""
    keys = _ENVELOPES[kind]
    return {
        "type": "object",
        "properties": {key: data if key == "data" else dict(_KEYS[key]) for key in keys},
        "required": list(keys),
        "additionalProperties": False,
    }


class AutoSchema(SpectacularSchema):
    """Describes what `schema.describe` said of the call; a call that nobody described is left out."""

    @property
    def call(self) -> schema.Call:
        """What the app said of this call."""
        return schema.described()[self.path]

    @property
    def _action(self) -> Any:
        view: Any = self.view
        return getattr(view, view.action)

    def is_excluded(self) -> bool:
        """Leave out what nobody described; a test finds it."""
        return self.path not in schema.described()

    def get_operation_id(self) -> str:
        """Name the call by its path."""
        return self.path.removeprefix(schema.PREFIX).removeprefix("/v1/").replace("/", "_")

    def get_tags(self) -> list[str]:
        """Group calls by their noun."""
        return [self.path.removeprefix(schema.PREFIX).removeprefix("/v1/").split("/")[0]]

    def get_summary(self) -> str:
        """Return the first sentence of the view's docstring."""
        return " ".join((self._action.__doc__ or "").split("\n\n")[0].split()).rstrip(".")

    def get_description(self) -> str:  # type: ignore[override]
        """Return the rest of the docstring."""
        return " ".join(" ".join((self._action.__doc__ or "").split("\n\n")[1:]).split())

    def get_auth(self) -> list[dict[str, list[str]]]:
        """Every call but the log-in needs a token, or a key where a program may make the call."""
        if self.call.open:
            return []
        bearer: list[dict[str, list[str]]] = [{"bearer": []}]
        return [*bearer, {"api_key": []}] if open_to_keys(self.path) else bearer

    def _get_parameters(self) -> list[dict[str, Any]]:
        found = [schema.CLUSTER] if self.call.cluster else []
        found += self.call.query
        headers = []
        if getattr(self._action, "takes_idempotency_key", False):
            headers.append({"$ref": "#/components/parameters/IdempotencyKey"})
        if self.call.not_modified:
            headers.append({"$ref": "#/components/parameters/IfNoneMatch"})
        return [*found, *headers]

    def _get_request_body(self, direction: str = "request") -> dict[str, Any] | None:
        if self.method != "POST":
            return None
        if self.call.form:
            return {"content": {"multipart/form-data": {"schema": self.call.form}}, "required": True}
        if self.call.request is None:
            return None
        component = self.resolve_serializer(self.call.request, "request")
        return {"content": {"application/json": {"schema": component.ref}}, "required": True}

    def _get_response_bodies(self, direction: Any = "response") -> dict[str, Any]:
        call = self.call
        headers = {"X-Request-Id": {"$ref": "#/components/headers/RequestId"}}
        headers |= {name: {"$ref": f"#/components/headers/{component}"} for name, component in call.headers.items()}
        if getattr(self._action, "takes_idempotency_key", False):
            headers["Idempotent-Replay"] = {"$ref": "#/components/headers/Replay"}
        if call.file:
            content: dict[str, Any] = {kind: {"schema": {}} for kind in call.file.split(", ")}
        else:
            content = {"application/json": {"schema": envelope(call.envelope, self._data(call))}}
        found: dict[str, Any] = {"200": {"description": "Done.", "headers": headers, "content": content}}
        if call.not_modified:
            found["304"] = {"description": "The settings are still those of the sent ETag."}
        statuses = {*ANY, *(error.status for error in call.errors)}
        statuses |= set(BODY) if self.method == "POST" else set()
        statuses |= {404} if call.cluster else set()
        statuses |= {409} if getattr(self._action, "takes_idempotency_key", False) else set()
        return found | {str(status): self._failure(status, call) for status in sorted(statuses)}

    def _data(self, call: schema.Call) -> dict[str, Any]:
        data: dict[str, Any] = (
            call.answer if isinstance(call.answer, dict) else self.resolve_serializer(call.answer, "response").ref
        )
        if call.many:
            data = {
                "type": "object",
                "properties": {
                    "total_count": {"type": "integer", "minimum": 0},
                    "list": {"type": "array", "items": data},
                },
                "required": ["total_count", "list"],
                "additionalProperties": False,
            }
        return data

    def _failure(self, status: int, call: schema.Call) -> dict[str, Any]:
        named = sorted({f"{e.name()} ({e.scode})" for e in call.errors if e.status == status})
        body: dict[str, Any] = {"$ref": f"#/components/responses/Error{status}"}
        return {**body, "description": f"Among others: {', '.join(named)}."} if named else body

    def _map_serializer_field(self, field: Any, direction: Any, bypass_extensions: bool = False) -> Any:
        if isinstance(field, StrictUUIDField):
            found: Any = {"type": "string", "format": "uuid"}
        else:
            found = super()._map_serializer_field(field, direction, bypass_extensions)  # type: ignore[no-untyped-call]
        if isinstance(field, serializers.ListField) and isinstance(found, dict):
            for key, value in (("minItems", field.min_length), ("maxItems", field.max_length)):
                if value is not None:
                    found[key] = value
            if not field.allow_empty:
                found["minItems"] = max(1, field.min_length or 0)
        return found

    def _insert_field_validators(self, field: Any, schema_: dict[str, Any]) -> None:
        super()._insert_field_validators(field, schema_)  # type: ignore[no-untyped-call]
        kinds = schema_.get("type")
        if kinds != "string" and not (isinstance(kinds, list) and "string" in kinds):
            return
        pattern = schema.pattern_of(field.validators)
        if pattern:
            blank = "?" if getattr(field, "allow_blank", False) else ""
            schema_["pattern"] = f"^(?:{pattern}){blank}$"
        elif direction_is_input(field) and not {"pattern", "enum", "format"} & set(schema_):
            schema_["pattern"] = PRINTABLE
        blank_allowed = getattr(field, "allow_blank", True) or "enum" in schema_
        if direction_is_input(field) and not blank_allowed:
            schema_["minLength"] = max(1, schema_.get("minLength", 0))

    def _map_basic_serializer(self, serializer: Any, direction: Any) -> Any:
        found = super()._map_basic_serializer(serializer, direction)  # type: ignore[no-untyped-call]
        keys = list(found.get("properties", {}))
        if "required" in found:
            found["required"] = sorted(found["required"], key=keys.index)
        found.setdefault("properties", {})
        found["additionalProperties"] = False
        for key, value in found["properties"].items():
            value.update(schema.refined(type(serializer), key))
        return found


def direction_is_input(field: Any) -> bool:
    """Tell whether a field belongs to a strict input, whatever lists lie between."""
    parent = field.parent
    while isinstance(parent, serializers.ListField | serializers.DictField | serializers.ListSerializer):
        parent = parent.parent
    return isinstance(parent, StrictSerializer)


def failures() -> dict[str, dict[str, Any]]:
    """Return the response of each status in the catalogue, with its codes."""
    found: dict[str, dict[str, Any]] = {}
    by_status: dict[int, list[type[SysmgrError]]] = {}
    for error in schema.product_errors():
        by_status.setdefault(error.status, []).append(error)
    for status, classes in sorted(by_status.items()):
        keys = ("scode", "desc", "message", "message_cn", "stack", "data")
        body = {
            "type": "object",
            "properties": {
                "scode": {"type": "integer", "enum": sorted({error.scode for error in classes})},
                "desc": {"type": "string", "description": "The path of the value at fault; empty when none is."},
                "message": {"type": "string", "description": "Cause and next step in English."},
                "message_cn": {"type": "string", "description": "Cause and next step in Chinese."},
                "stack": {"type": "null"},
                "data": {"type": "null"},
            },
            "required": list(keys),
            "additionalProperties": False,
        }
        headers: dict[str, Any] = {"X-Request-Id": {"$ref": "#/components/headers/RequestId"}}
        if status in (429, 503):
            headers["Retry-After"] = {"$ref": "#/components/headers/RetryAfter"}
        if status == 401:
            headers["WWW-Authenticate"] = {"$ref": "#/components/headers/WwwAuthenticate"}
        found[f"Error{status}"] = {
            "description": "; ".join(f"{error.scode} {error.name()}" for error in classes),
            "headers": headers,
            "content": {"application/json": {"schema": body}},
        }
    return found
