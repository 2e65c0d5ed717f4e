"""The pages of runs, their steps and the hosts that they hold; a run's page follows it while it goes on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from cluster.models import Cluster
from sysmgr.acts import Act, ActingAdmin, Page
from sysmgr.admin import ReadOnlyAdmin, actor_of, in_chinese, pretty
from sysmgr.api.fields import validated
from sysmgr.audit.services import Actor
from sysmgr.theme import Select, TextInput
from upgrades import controls, limits, page_selectors, rollbacks, skipping, waivers
from upgrades.models import HostHold, StepLog, UpgradeItem, UpgradeRun
from upgrades.next_steps import next_step
from upgrades.serializers import RunInput, SkipInput, WaiveInput

from . import texts
from .upgrade import UpgradeMixin

State = UpgradeRun.State
_STOP_POLLING = 286
_WAIVABLE = (State.PENDING, State.PRECHECKING, State.PAUSING, State.PAUSED)
_GOES_ON = (State.PENDING, State.PRECHECKING, State.RUNNING)


def _by(service: Callable[[Cluster, UUID, Actor], UpgradeRun]) -> Callable[[HttpRequest, Any, Mapping[str, Any]], None]:
    def do(request: HttpRequest, run: UpgradeRun, given: Mapping[str, Any]) -> None:
        service(run.cluster, run.pk, actor_of(request))

    return do


def _retry(request: HttpRequest, run: UpgradeRun, given: Mapping[str, Any]) -> None:
    controls.retry(run.cluster, run.pk, actor_of(request), force=given["force"])


def _skip(request: HttpRequest, run: UpgradeRun, given: Mapping[str, Any]) -> None:
    body = _input(SkipInput, run, given)
    skipping.skip(run.cluster, run.pk, body["host_ip"], body["reason"], actor_of(request))


def _waive(request: HttpRequest, run: UpgradeRun, given: Mapping[str, Any]) -> None:
    waivers.waive(run.cluster, run.pk, _input(WaiveInput, run, given), actor_of(request))


def _input(serializer: type[RunInput], run: UpgradeRun, given: Mapping[str, Any]) -> dict[str, Any]:
    """Check what a form gave as the API's input does."""
    return validated(serializer, {"upgrade_uuid": str(run.pk), **given})


class RetryForm(forms.Form):
    """What of the failures is tried again."""

    force = forms.BooleanField(
        label=_("Also what trying again alone does not mend, and what was left out"), required=False
    )


class SkipForm(forms.Form):
    """Which host is left out, and why."""

    host_ip = forms.CharField(label=_("Address"), max_length=45, widget=TextInput)
    reason = forms.CharField(label=_("Reason"), max_length=200, widget=TextInput)


class WaiveForm(SkipForm):
    """Which check is passed over."""

    check = forms.ChoiceField(label=_("Check"), choices=[(name, name) for name in limits.WAIVABLE], widget=Select)
    field_order = ("host_ip", "check", "reason")


def _rollback(request: HttpRequest, run: UpgradeRun, given: Mapping[str, Any]) -> HttpResponse:
    made = rollbacks.request_rollback(run.cluster, run.pk, None, actor_of(request))
    messages.success(request, gettext("The rollback has begun."))
    return HttpResponseRedirect(reverse("admin:upgrades_upgraderun_change", args=[made.pk]))


@admin.register(UpgradeRun)
class UpgradeRunAdmin(UpgradeMixin, ActingAdmin[UpgradeRun]):
    list_display = ["uuid", "kind", "cluster", "state", "author", "create_time", "end_time"]
    list_filter = ["state", "kind", "cluster", "create_time"]
    list_select_related = ["cluster"]
    search_fields = ["uuid", "author", "reason", "message", "message_cn"]
    ordering = ["-create_time"]
    change_form_template = "admin/upgrades/upgraderun/run.html"
    instead = {"options": "pretty_options"}
    # What changes while the run goes on stands in the part of the page that is polled, and only there.
    hidden = ("state", "paused_by", "prechecked", "forgiven", "error", "scode", "message", "message_cn", "end_time")
    pages = (Page("new", "compute/version/upgrade", _("Upgrade"), "new"),)
    acts = (
        Act(
            name="pause",
            call="upgrade/pause",
            label=_("Pause"),
            question=_("What is under way on a host is brought to its end; nothing new is begun."),
            done=_("The run pauses."),
            do=_by(controls.pause),
            offered=lambda run: run.state in _GOES_ON,
        ),
        Act(
            name="resume",
            call="upgrade/resume",
            label=_("Resume"),
            question=_("The run goes on where it stopped."),
            done=_("The run goes on."),
            do=_by(controls.resume),
            offered=lambda run: run.state in (State.PAUSING, State.PAUSED),
        ),
        Act(
            name="retry",
            call="upgrade/retry",
            label=_("Retry"),
            question=_("What failed or was skipped is tried again in this run."),
            done=_("The run tries again."),
            do=_retry,
            form=RetryForm,
            offered=lambda run: run.state in (State.FAILED, State.CANCELLED, State.PAUSED),
        ),
        Act(
            name="waive",
            call="upgrade/waive",
            label=_("Waive a check"),
            question=_("The run passes over this check on this host. The reason stays with the run."),
            done=_("The check is waived."),
            do=_waive,
            form=WaiveForm,
            offered=lambda run: run.state in _WAIVABLE,
        ),
        Act(
            name="skip",
            call="upgrade/skip",
            label=_("Skip a host"),
            question=_("What was not begun on this host is left out, and the host is marked for catching up later."),
            done=_("The host is left out."),
            do=_skip,
            form=SkipForm,
            offered=lambda run: run.state in (State.PENDING, State.PAUSED),
        ),
        Act(
            name="cancel",
            call="upgrade/cancel",
            label=_("Cancel the run"),
            question=_(
                "What is under way is brought to its end, the rest is left as it is. Finished hosts stay as they are."
            ),
            done=_("The run is cancelled."),
            do=_by(controls.cancel),
            offered=lambda run: not run.ended and run.state != State.CANCELLING,
            danger=True,
        ),
        Act(
            name="rollback",
            call="upgrade/rollback",
            label=_("Roll back"),
            question=_(
                "A new run takes back what this one finished, each service from its backup. A paused run is cancelled."
            ),
            do=_rollback,
            offered=lambda run: run.kind != UpgradeRun.Kind.BACKUP and (run.ended or run.state == State.PAUSED),
            danger=True,
        ),
    )

    def get_urls(self) -> list[URLPattern]:
        """Add the progress, which is part of a run's page."""
        mine = path("<path:object_id>/progress/", self._guarded(self.progress), name=self._name("progress"))
        return [mine, *super().get_urls()]

    @admin.display(description=_("options"))
    def pretty_options(self, run: UpgradeRun) -> SafeString:
        """Return the options as indented JSON."""
        return pretty(run.options)

    def progress(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Return how far the run is, without the page around it; the browser asks until the run rests."""
        self.has_view(request)
        run = self.get_object(request, unquote(object_id))
        if run is None:
            raise Http404
        status = _STOP_POLLING if run.rests else 200
        return TemplateResponse(
            request, "admin/upgrades/upgraderun/progress.html", self._shown(request, run), status=status
        )

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Show the progress, and with it what can be done about the run as it is now."""
        run = context.get("original")
        if run is not None:
            context.update(self._shown(request, run))
        return super().render_change_form(request, context, *args, **kwargs)

    def _shown(self, request: HttpRequest, run: UpgradeRun) -> dict[str, Any]:
        # An error's message says itself what comes next.
        english, chinese = ("", "") if run.scode else next_step(run)
        progress = page_selectors.progress(run)
        return {
            "run": run,
            "run_acts": self.offers(request, run),
            "run_message": run.message_cn if in_chinese() else run.message,
            "run_next_step": chinese if in_chinese() else english,
            "chinese": in_chinese(),
            "progress": progress,
            "progress_words": [] if run.ended else texts.progress_in_words(progress),
            "left_out": texts.steps_left_out(progress["left_out"]),
            "texts": texts.RUN,
            "progress_link": self.link("progress", run.pk),
            "steps_link": reverse("admin:upgrades_upgradeitem_changelist") + f"?run__uuid__exact={run.pk}",
            "logs_link": reverse("admin:upgrades_steplog_changelist") + f"?item__run__uuid__exact={run.pk}",
            "log_link": reverse("admin:upgrades_steplog_changelist") + "?item__uuid__exact=",
            "events_link": reverse("admin:events_event_changelist") + f"?subject={run.pk}",
        }


@admin.register(UpgradeItem)
class UpgradeItemAdmin(ReadOnlyAdmin[UpgradeItem]):
    list_display = ["host_ip", "service_type", "from_version", "to_version", "state", "said", "run", "update_time"]
    list_filter = ["state", "service_type", "run__cluster"]
    list_select_related = ["run"]
    search_fields = ["host_ip", "to_version", "run__uuid"]
    ordering = ["-update_time"]

    @admin.display(description=_("message"))
    def said(self, item: UpgradeItem) -> str:
        """Return the message in the page's language."""
        return item.message_cn if in_chinese() else item.message


@admin.register(StepLog)
class StepLogAdmin(ReadOnlyAdmin[StepLog]):
    list_display = ["item", "step", "begin_time", "seconds", "code", "sent"]
    list_filter = ["step", "code"]
    list_select_related = ["item"]
    search_fields = ["item__host_ip", "item__run__uuid"]
    ordering = ["-pk"]
    instead = {"text": "pretty_text"}

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        """Let a run's page link to the logs of its steps."""
        return lookup == "item__run__uuid__exact" or super().lookup_allowed(lookup, value, request)  # type: ignore[arg-type]

    @admin.display(description=_("what it said"))
    def pretty_text(self, log: StepLog) -> SafeString:
        """Return the text as it was said, line by line."""
        return format_html('<pre class="whitespace-pre-wrap">{}</pre>', log.text)


@admin.register(HostHold)
class HostHoldAdmin(ReadOnlyAdmin[HostHold]):
    list_display = ["host", "run"]
    list_select_related = ["host", "run"]
    search_fields = ["host__host_ip", "run__uuid"]
