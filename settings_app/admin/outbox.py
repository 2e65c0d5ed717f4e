"""The page of the outbox: mail that waits, was sent or failed; its text is on no page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from settings_app.mail import outbox
from settings_app.models import OutboxMail
from sysmgr.acts import Act, ActingAdmin
from sysmgr.admin import actor_of


def _retry(request: HttpRequest, mail: OutboxMail, given: Mapping[str, Any]) -> None:
    outbox.retry(mail.cluster, mail.pk, actor_of(request))


def _remove(request: HttpRequest, mail: OutboxMail, given: Mapping[str, Any]) -> None:
    outbox.remove(mail.cluster, mail.pk, actor_of(request))


@admin.register(OutboxMail)
class OutboxMailAdmin(ActingAdmin[OutboxMail]):
    list_display = ["create_time", "state", "receiver", "subject", "attempts", "last_reply", "next_time"]
    list_filter = ["state", "cluster"]
    list_select_related = ["cluster"]
    search_fields = ["receiver", "subject", "last_reply"]
    ordering = ["-create_time"]
    hidden = ("body", "claim", "claim_end")
    acts = (
        Act(
            name="retry",
            call="mail/outbox/retry",
            label=_("Try again now"),
            question=_("The mail is sent as soon as the leading manager comes to it."),
            done=_("The mail is tried again."),
            do=_retry,
            offered=lambda mail: mail.state in (OutboxMail.State.WAITING, OutboxMail.State.FAILED),
        ),
        Act(
            name="remove",
            call="mail/outbox/remove",
            label=_("Remove"),
            question=_("The mail is removed and will not be sent."),
            done=_("The mail is removed."),
            do=_remove,
            offered=lambda mail: mail.state != OutboxMail.State.SENDING,
            danger=True,
            leaves=True,
        ),
    )
