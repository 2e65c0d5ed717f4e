"""Idempotency-Key: the same request again gets the first answer (contract §5)."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from typing import Any

from django.db import connection, transaction
from django.utils import timezone
from rest_framework.response import Response

from sysmgr.errors import IdempotencyConflict, IdempotencyUnderWay, InvalidInput, Problem

from .handler import as_sysmgr_error, exception_handler
from .models import IdempotencyKey

KEPT = timedelta(hours=24)
_FORM = re.compile(r"[\x21-\x7e]{1,255}")

type_view = Callable[..., Response]


def idempotent(view: type_view) -> type_view:
    """Let a write honour Idempotency-Key: claimed in the write's own transaction, so both stand or neither.

    A view that has more to do after the commit (waiting for a run) sets `response.after_commit`, a function
    that returns the final answer. A response without data is no answer yet: until the final one it is under way.
    """

    @wraps(view)
    def wrapper(self: Any, request: Any, *args: Any, **kwargs: Any) -> Response:
        key = request.headers.get("Idempotency-Key")
        if key is None:
            return _finished(view(self, request, *args, **kwargs))
        if not _FORM.fullmatch(key):
            text = "must be 1 to 255 visible ASCII characters"
            raise InvalidInput([Problem("Idempotency-Key", text, "必须是 1 至 255 个可见 ASCII 字符")])
        claim = {"user": request.user, "path": request.path, "key": key}
        digest = hashlib.sha256(request._request.body + request.META["QUERY_STRING"].encode()).hexdigest()
        try:
            with transaction.atomic():
                kept = _claim(claim, digest)
                if kept is not None:
                    return kept
                response = view(self, request, *args, **kwargs)
                if response.data is not None:
                    _keep(claim, response)
        except (IdempotencyConflict, IdempotencyUnderWay):
            raise
        except Exception as error:
            return _refused(error, claim, digest)
        try:
            final = _finished(response)
        except Exception as error:
            if response.data is not None:
                raise
            IdempotencyKey.objects.filter(**claim).delete()  # nothing was answered yet: kept like any other refusal
            return _refused(error, claim, digest)
        if final is not response:
            _keep(claim, final)
        return final

    wrapper.takes_idempotency_key = True  # type: ignore[attr-defined]  # for the API's description
    return wrapper


def _finished(response: Response) -> Response:
    after: Callable[[], Response] | None = getattr(response, "after_commit", None)
    return after() if after else response


def _claim(claim: dict[str, Any], digest: str) -> Response | None:
    """Insert the claim and return None, or return the kept answer of the first request."""
    if connection.vendor == "postgresql":
        name = f"{claim['user'].pk} {claim['path']} {claim['key']}".encode()
        number = int.from_bytes(hashlib.sha256(name).digest()[:8], "big", signed=True)
        with connection.cursor() as cursor:
            # A second request must hear "under way" at once instead of waiting on the unique index.
            cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [number])
            if not cursor.fetchone()[0]:
                raise IdempotencyUnderWay
    rows = IdempotencyKey.objects.filter(**claim)
    rows.filter(create_time__lt=timezone.now() - KEPT).delete()
    kept = rows.first()
    if kept is None:
        IdempotencyKey.objects.create(**claim, body_digest=digest)
        return None
    if kept.body_digest != digest:
        raise IdempotencyConflict
    if kept.status is None:
        raise IdempotencyUnderWay
    return Response(kept.answer, status=kept.status, headers={"Idempotent-Replay": "true"})


def _keep(claim: dict[str, Any], response: Response) -> None:
    # What is shown in clear once is not stored in clear: such a view sets `response.kept`.
    answer = json.loads(json.dumps(getattr(response, "kept", response.data), default=str))
    IdempotencyKey.objects.filter(**claim).update(status=response.status_code, answer=answer)


def _refused(error: Exception, claim: dict[str, Any], digest: str) -> Response:
    """Keep a refusal as the answer; what went wrong on our side (5xx) may be tried again."""
    typed = as_sysmgr_error(error)
    response = exception_handler(error, {})
    if typed is None or typed.status >= 500 or response is None:
        raise error
    with transaction.atomic():
        _, made = IdempotencyKey.objects.get_or_create(**claim, defaults={"body_digest": digest})
        if made:
            _keep(claim, response)
    return response
