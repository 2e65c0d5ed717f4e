"""The page that takes a package in: the file streams to quarantine, as at the API's door."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import messages
from django.core.exceptions import SuspiciousOperation
from django.db import connection
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, UnreadablePostError
from django.http.multipartparser import MultiPartParserError
from django.utils.translation import gettext, gettext_lazy
from django.views.decorators.csrf import csrf_protect

from sysmgr.acts import ActingAdmin, require, tell
from sysmgr.admin import actor_of
from sysmgr.errors import MalformedBody, SysmgrError
from sysmgr.theme import FileInput
from upgrades.models import UpgradePackage
from upgrades.upload import QuarantineHandler

from .fields import cluster_field

if TYPE_CHECKING:
    _Base = ActingAdmin[UpgradePackage]
else:
    _Base = object


class UploadForm(forms.Form):
    """The store that the package is for, before the file: it is known when the file arrives."""

    cluster = cluster_field()
    # The handler takes the file while the body is read; the form only draws the input.
    file = forms.FileField(
        label=gettext_lazy("Package"),
        required=False,
        widget=FileInput,
        help_text=gettext_lazy("A signed updatepackage_<version>.tar.gz."),
    )


class UploadMixin(_Base):
    """The upload page of a model's admin."""

    def upload(self, request: HttpRequest) -> HttpResponse:
        """Show the form, or read the body and take the package in.

        The handler must be there before anything reads the body, and the CSRF check does: so it comes second.
        """
        require(request, "upgrade_package/upload")
        if request.method != "POST":
            return self._upload_page(request, UploadForm())
        handler = QuarantineHandler(int(request.META.get("CONTENT_LENGTH") or 0))
        request.upload_handlers = [handler]
        connection.close()  # a body that stalls holds a thread, never a database connection
        try:
            error = self._read(request)
            if error is not None:
                form = UploadForm({})
                form.full_clean()
                form.errors.clear()
                tell(form, error)
                return self._upload_page(request, form)
            checked: Callable[[HttpRequest], HttpResponse] = csrf_protect(lambda r: self._take_in(r, handler))
            return checked(request)
        finally:
            handler.abort()

    def _read(self, request: HttpRequest) -> SysmgrError | None:
        """Read the body, for which the gate holds a place; return why it can't be read."""
        try:
            _ = request.POST
        except (MultiPartParserError, SuspiciousOperation, UnreadablePostError):
            return MalformedBody("file", reason="it is not valid multipart", reason_cn="不是有效的 multipart")
        return None

    def _take_in(self, request: HttpRequest, handler: QuarantineHandler) -> HttpResponse:
        form = UploadForm(request.POST)
        if form.is_valid():
            try:
                if handler.error is not None:
                    raise handler.error
                if handler.intake is None or not handler.complete or handler.unexpected:
                    form.add_error("file", gettext("Choose a package."))
                else:
                    package = handler.intake.finish(form.cleaned_data["cluster"], actor_of(request))
                    text = gettext("%(package)s was taken in.") % {"package": package.package_name}
                    self.message_user(request, text, messages.SUCCESS)
                    return HttpResponseRedirect(self.link("change", package.pk))
            except SysmgrError as error:
                tell(form, error)
        return self._upload_page(request, form)

    def _upload_page(self, request: HttpRequest, form: UploadForm) -> HttpResponse:
        said: dict[str, Any] = {"label": gettext("Upload"), "back": self.link("changelist")}
        return self.page(request, "admin/act.html", gettext("Upload a package"), form=form, **said)
