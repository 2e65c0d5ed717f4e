"""For clients that read `scode` only: their calls are answered with 200 while SYSMGR_ALWAYS_200 is true."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from sysmgr import env

# The eleven documented endpoints; an unknown path beside them was never theirs and stays a 404.
DOCUMENTED = frozenset(
    f"/v1/system/{path}"
    for path in (
        "version",
        "member/list",
        "mail_setting/inspect",
        "mail_setting/update",
        "mail_setting/test",
        "setting/inspect",
        "setting/update",
        "compute/version/upgrade",
        "upgrade_package/list",
        "upgrade_package/current/inspect",
        "compute/version/list",
    )
)
PREFIXES = ("/v1/authentication/", "/v1/apikey/")


def is_old(path: str) -> bool:
    """Tell whether old clients know `path`."""
    return path in DOCUMENTED or path.startswith(PREFIXES)


class Always200Middleware:
    """Stands around the gate, so that its refusals, 405 and 500 are covered too; envelope and headers stay."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer, with status 200 where the switch says so."""
        if not (env.ALWAYS_200 and is_old(request.path)):
            return self.get_response(request)
        request.META.pop("HTTP_IF_NONE_MATCH", None)  # a 304 has no body, and without one there is no scode
        response = self.get_response(request)
        response.status_code = 200
        response.reason_phrase = "OK"
        return response
