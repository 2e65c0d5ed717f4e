"""The pages that start an upgrade: choose, see the plan, confirm what was shown."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from cluster.models import Cluster
from sysmgr.acts import ActingAdmin, require, tell
from sysmgr.admin import actor_of, in_chinese
from sysmgr.api import strict_json
from sysmgr.api.fields import StrictUUIDField, validated
from sysmgr.errors import InvalidInput, Problem, SysmgrError
from sysmgr.theme import NumberInput, Select, TextInput
from upgrades import page_selectors, plans, services
from upgrades.errors import PlanChanged
from upgrades.models import UpgradeRun
from upgrades.serializers import UpgradeInput

from . import texts

if TYPE_CHECKING:
    _Base = ActingAdmin[UpgradeRun]
else:
    _Base = object

_NUMBERS = ("max_parallel", "canary", "soak_seconds", "fail_count", "fail_percent")
_MOMENTS = ("not_before", "not_after")
_OPTIONS = (*_NUMBERS, "on_threshold", "reason")
_FORM = _("As 2027-01-31 22:00, in UTC.")
_AT_THRESHOLD = (("", _("Pause")), ("rollback", _("Take back what was done")))


class UpgradeForm(forms.Form):
    """What is upgraded to which version, and how; what is left empty has its documented default."""

    items = forms.MultipleChoiceField(label=_("Hosts and services"), required=False)
    version = forms.ChoiceField(label=_("Version"), required=False, widget=Select)
    max_parallel = forms.IntegerField(
        label=_("Hosts at once"), required=False, min_value=1, max_value=100, widget=NumberInput
    )
    canary = forms.IntegerField(
        label=_("Hosts that come first, alone"), required=False, min_value=0, max_value=1000, widget=NumberInput
    )
    soak_seconds = forms.IntegerField(
        label=_("Seconds that a changed service is watched"),
        required=False,
        min_value=0,
        max_value=86_400,
        widget=NumberInput,
    )
    fail_count = forms.IntegerField(
        label=_("Pause at so many failures"), required=False, min_value=1, max_value=10000, widget=NumberInput
    )
    fail_percent = forms.IntegerField(
        label=_("Pause at so many percent of failures"), required=False, min_value=1, max_value=100, widget=NumberInput
    )
    on_threshold = forms.ChoiceField(
        label=_("At so many failures"), required=False, choices=_AT_THRESHOLD, widget=Select
    )
    not_before = forms.DateTimeField(label=_("Not before"), required=False, widget=TextInput, help_text=_FORM)
    not_after = forms.DateTimeField(label=_("Not after"), required=False, widget=TextInput, help_text=_FORM)
    reason = forms.CharField(label=_("Reason"), required=False, max_length=255, widget=TextInput)

    def __init__(self, data: Any, cluster: Cluster) -> None:
        super().__init__(data)
        versions = page_selectors.usable_versions(cluster.pk)
        self.fields["version"].choices = [  # type: ignore[attr-defined]
            ("", gettext("The newest that fits")),
            *((version, version) for version in versions),
        ]
        self.chosen: list[str] = data.getlist("items") if data is not None else []
        self.fields["items"].choices = [(value, value) for value in self.chosen]  # type: ignore[attr-defined]

    def clean_items(self) -> list[str]:
        """Refuse a choice of nothing."""
        if not self.chosen:
            raise forms.ValidationError(gettext("Choose at least one service of one host."))
        return self.chosen

    def body(self) -> dict[str, Any]:
        """Return the request as the API takes it; its own input checks it."""
        given = self.cleaned_data
        version = {"version": given["version"]} if given["version"] else {}
        pairs = [value.partition(" ") for value in given["items"]]
        options = {key: given[key] for key in _OPTIONS if given[key] not in (None, "")}
        options |= {key: int(given[key].timestamp()) for key in _MOMENTS if given[key] is not None}
        wanted = [{"host_ip": host, "service_type": service, **version} for host, _, service in pairs]
        text = json.dumps({"list": wanted, "options": options})
        return validated(UpgradeInput, strict_json.loads(text.encode()))

    def tell(self, error: SysmgrError) -> None:
        """Put what is wrong with an option beside its input."""
        if isinstance(error, InvalidInput):
            problems = [Problem(p.path.removeprefix("options."), p.message, p.message_cn) for p in error.problems]
            error = InvalidInput(problems)
        tell(self, error)


class UpgradeMixin(_Base):
    """The pages of a model's admin that start a run."""

    def new(self, request: HttpRequest) -> HttpResponse:
        """Choose (GET), see the plan (POST), confirm it (POST with its fingerprint)."""
        require(request, "compute/version/upgrade")
        clusters = Cluster.objects.order_by("-default", "name")
        cluster = self._cluster(request, clusters)
        if cluster is None:
            self.message_user(request, gettext("There is no cluster yet."), messages.WARNING)
            return HttpResponseRedirect(self.link("changelist"))
        if request.method != "POST":
            return self._choose(request, clusters, cluster, UpgradeForm(None, cluster))
        form = UpgradeForm(request.POST, cluster)
        if not form.is_valid() or "again" in request.POST:
            return self._choose(request, clusters, cluster, form)
        try:
            return self._go_on(request, cluster, form)
        except SysmgrError as error:
            form.tell(error)
            return self._choose(request, clusters, cluster, form)

    def _cluster(self, request: HttpRequest, clusters: QuerySet[Cluster]) -> Cluster | None:
        named = StrictUUIDField.parse(request.POST.get("cluster") or request.GET.get("cluster"))
        return (clusters.filter(pk=named).first() if named else None) or clusters.first()

    def _choose(
        self, request: HttpRequest, clusters: QuerySet[Cluster], cluster: Cluster, form: UpgradeForm
    ) -> HttpResponse:
        name = request.GET.get("name", "")[:45].replace("\x00", "")
        found = page_selectors.hosts_to_choose(cluster.pk, name, form.chosen)
        said = {"label": gettext("Show the plan"), "back": self.link("changelist"), "name": name, "texts": texts.CHOOSE}
        said["left_out"] = texts.hosts_left_out(found["left_out"])
        template = "admin/upgrades/upgraderun/choose.html"
        context = {"form": form, "cluster": cluster, "clusters": list(clusters), "found": found, **said}
        return self.page(request, template, gettext("Upgrade"), **context)

    def _go_on(self, request: HttpRequest, cluster: Cluster, form: UpgradeForm) -> HttpResponse:
        body = form.body()
        options = body.get("options", {})
        shown = request.POST.get("plan_fingerprint", "")[:64]
        if shown:
            try:
                planned = {**options, "plan_fingerprint": shown}
                run = services.request_upgrade(cluster, body["list"], planned, actor_of(request))
            except PlanChanged as error:  # the page then shows what the plan is now
                form.tell(error)
            else:
                self.message_user(request, gettext("The upgrade has begun."), messages.SUCCESS)
                return HttpResponseRedirect(self.link("change", run.pk))
        plan = plans.plan(cluster, body["list"], options)
        for check in plan["prechecks"]:
            check["said"] = check["message_cn"] if in_chinese() else check["message"]
        said = {"label": gettext("Begin the upgrade"), "texts": texts.PLAN, "words": texts.plan_in_words(plan)}
        context = {"form": form, "plan": plan, "cluster": cluster, **said}
        template = "admin/upgrades/upgraderun/plan.html"
        return self.page(request, template, gettext("Plan of the upgrade"), back=self.link("new"), **context)
