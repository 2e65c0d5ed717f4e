"""The one exception handler: every expected failure becomes the standard envelope."""

from __future__ import annotations

import logging
from typing import Any

from django.core.exceptions import DisallowedHost, RequestDataTooBig
from django.core.exceptions import PermissionDenied as DjangoPermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBadRequest
from rest_framework import exceptions
from rest_framework.response import Response

from sysmgr import errors

from . import envelope
from .strict_json import printable

log = logging.getLogger("sysmgr.api")


def as_sysmgr_error(exc: Exception) -> errors.SysmgrError | None:
    """Return the typed error that stands for `exc`, or None when it is unexpected."""
    match exc:
        case errors.SysmgrError():
            return exc
        case Http404() | exceptions.NotFound():
            return errors.NotFound()
        case exceptions.MethodNotAllowed():
            return errors.MethodNotAllowed()
        case exceptions.UnsupportedMediaType():
            return errors.UnsupportedMediaType(expected="application/json")
        case exceptions.NotAuthenticated() | exceptions.AuthenticationFailed():
            return errors.NotAuthenticated()
        case DjangoPermissionDenied() | exceptions.PermissionDenied():
            return errors.PermissionDenied()
        case DisallowedHost():
            return errors.HostNotAllowed("Host")
        case RequestDataTooBig():
            return errors.BodyTooLarge(limit=1024 * 1024)
        case exceptions.ParseError():
            return errors.MalformedBody(reason="it cannot be parsed", reason_cn="无法解析")
    return None


def exception_handler(exc: Exception, context: dict[str, Any]) -> Response | None:
    """Render expected failures; None lets Django log the rest and call `handler500`."""
    error = as_sysmgr_error(exc)
    if error is None:
        return None
    response = Response(envelope.failure(error), status=error.status, headers=envelope.failure_headers(error))
    view = context.get("view")
    if error.status == 405 and view is not None:
        response["Allow"] = ", ".join(view.allowed_methods)
    return response


def _is_api(request: HttpRequest) -> bool:
    return request.path.startswith("/v1/")


def handler400(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer a request that Django itself refused: an envelope under /v1/, Django's page elsewhere."""
    error = as_sysmgr_error(exception)
    if isinstance(error, errors.HostNotAllowed):
        name = printable(request.META.get("HTTP_HOST", ""))
        log.warning("refused a request for the host name %s; if it is yours, set SYSMGR_PUBLIC_URL", name)
    if _is_api(request):
        return envelope.failure_response(error or errors.MalformedBody(reason="it is refused", reason_cn="被拒绝"))
    if error is not None:
        return HttpResponseBadRequest(error.text, content_type="text/plain; charset=utf-8")
    from django.views.defaults import bad_request

    return bad_request(request, exception)


def handler404(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer an unknown path: an envelope under /v1/, Django's page elsewhere."""
    if _is_api(request):
        return envelope.failure_response(errors.NotFound())
    from django.views.defaults import page_not_found

    return page_not_found(request, exception)


def handler500(request: HttpRequest) -> HttpResponse:
    """Answer an unhandled exception: its text stays in the log, the client gets the log's key."""
    request_id = getattr(request, "request_id", "-")
    if _is_api(request):
        return envelope.failure_response(errors.InternalError(request_id=request_id))
    from django.views.defaults import server_error

    return server_error(request)
