"""The page of changes that wait for their confirmation, and the act that gives it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from settings_app.models import PendingChange
from settings_app.pending import confirm
from sysmgr.acts import Act, ActingAdmin
from sysmgr.admin import actor_of

from .banner import CALL


class ConfirmInput(forms.Form):
    """Says which revision the page showed."""

    if_revision = forms.IntegerField(required=False, widget=forms.HiddenInput)


def revisions_of(cluster_uuid: Any) -> str:
    """Return the address of a cluster's revisions."""
    return f"{reverse('admin:settings_app_settingrevision_changelist')}?cluster__uuid__exact={cluster_uuid}"


def _confirm(request: HttpRequest, row: PendingChange, given: Mapping[str, Any]) -> HttpResponse:
    number = confirm(row.cluster, actor_of(request), if_revision=given["if_revision"])
    messages.success(request, gettext("Revision %(number)d stands.") % {"number": number})
    return HttpResponseRedirect(revisions_of(row.pk))


@admin.register(PendingChange)
class PendingChangeAdmin(ActingAdmin[PendingChange]):
    list_display = ["cluster", "revision", "deadline", "author"]
    list_select_related = ["cluster"]
    ordering = ["deadline"]
    hidden = ("before",)
    acts = (
        Act(
            name="confirm",
            call=CALL,
            label=_("Confirm"),
            question=_("The change stays. Without a confirmation it is taken back by itself at its deadline."),
            form=ConfirmInput,
            initial=lambda row: {"if_revision": row.revision},
            do=_confirm,
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[PendingChange]:
        """Leave what was before, with its secrets, in the database."""
        return super().get_queryset(request).defer("before")

    def _get_obj_does_not_exist_redirect(self, request: HttpRequest, opts: Any, object_id: str) -> HttpResponse:
        """Say what became of a change that a page still showed."""
        text = gettext("This change waits no more: it was confirmed or taken back. The revisions tell which.")
        self.message_user(request, text, messages.WARNING)
        return HttpResponseRedirect(reverse("admin:settings_app_settingrevision_changelist"))
