"""The admin's forms of a cluster's gate and probes: one input a key, named by its path in `cluster/update`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from django import forms
from django.forms.boundfield import BoundField
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from sysmgr.acts import Act
from sysmgr.admin import actor_of
from sysmgr.api.fields import validated
from sysmgr.theme import NumberInput, Select, TextInput

from .models import Cluster, ServiceType
from .probes import MOST_SECONDS, GateInput, ServiceProbeInput
from .serializers import ClusterUpdateInput
from .services import update_cluster

_KINDS = (("", _("Nobody is asked")), ("tcp", "TCP"), ("http", "HTTP"), ("command", _("Program")))
_OF_EACH = {"kind", "seconds"}


def _text(label: Any, most: int, help_text: Any) -> forms.Field:
    return forms.CharField(label=label, required=False, max_length=most, widget=TextInput, help_text=help_text)


def _number(label: Any, least: int, most: int, help_text: Any) -> forms.Field:
    return forms.IntegerField(
        label=label, required=False, min_value=least, max_value=most, widget=NumberInput, help_text=help_text
    )


def _inputs(of_a_host: bool) -> dict[str, forms.Field]:
    """Return the inputs of one probe, by its keys."""
    url = _("For HTTP; {host_ip} stands for the host's address.") if of_a_host else _("For HTTP.")
    found = {
        "kind": forms.ChoiceField(label=_("Kind"), required=False, choices=_KINDS, widget=Select),
        "host": _text(_("Address or name"), 255, _("For TCP.")),
        "port": _number(_("Port"), 1, 65535, _("For TCP.")),
        "url": _text(_("URL"), 255, url),
        "status": _number(_("Expected status"), 100, 599, _("For HTTP; empty: 200.")),
        "name": _text(_("Name of the program"), 64, _("A file in SYSMGR_PROBE_DIR of the managers.")),
        "seconds": _number(_("Seconds to wait"), 1, MOST_SECONDS, _("1 to 60; empty: 5.")),
    }
    if of_a_host:
        del found["host"]
    return found


class _AskingForm(forms.Form):
    """Inputs that are named by their paths in the call: what is wrong is told beside the one at fault."""

    asked: ClassVar[Mapping[str, type[ServiceProbeInput]]]  # path of each probe, and its input

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for path, probe in self.asked.items():
            self.fields |= {f"{path}.{key}": field for key, field in _inputs(probe.of_a_host).items()}

    def probe(self, path: str) -> dict[str, Any]:
        """Return one probe as the call takes it.

        Who chose that nobody is asked means it. Else what another kind left in its inputs goes with that kind; what was
        typed is kept for the call's own check.
        """
        kind = self.cleaned_data.get(f"{path}.kind")
        if kind == "" and f"{path}.kind" in self.changed_data:
            return {}
        fits = self.asked[path]().keys_of(kind)[1] | _OF_EACH if kind else set()
        names = {name.removeprefix(f"{path}."): name for name in self.fields if name.startswith(f"{path}.")}
        values = {key: self.cleaned_data.get(name) for key, name in names.items()}
        return {
            key: value
            for key, value in values.items()
            if value not in (None, "") and (key in fits or names[key] in self.changed_data)
        }


class GateForm(_AskingForm):
    """Who must say yes before each host of a run is begun."""

    asked: ClassVar[Mapping[str, type[ServiceProbeInput]]] = {"gate": GateInput}

    def clean(self) -> dict[str, Any]:
        """Return the body of the call."""
        return {"gate": self.probe("gate")}


class ProbesForm(_AskingForm):
    """Who says, beside the package's own commands, whether a service of a host is well."""

    asked: ClassVar[Mapping[str, type[ServiceProbeInput]]] = {
        f"probes.{service}": ServiceProbeInput for service in ServiceType.values
    }

    def clean(self) -> dict[str, Any]:
        """Return the body of the call."""
        return {"probes": {service: self.probe(f"probes.{service}") for service in ServiceType.values}}

    def groups(self) -> list[tuple[Any, list[BoundField]]]:
        """Return each service with its inputs, for the template."""
        return [
            (service.label, [self[name] for name in self.fields if name.startswith(f"probes.{service}.")])
            for service in ServiceType
        ]


def _gate_of(cluster: Cluster) -> dict[str, Any]:
    return {f"gate.{key}": value for key, value in cluster.gate.items()}


def _probes_of(cluster: Cluster) -> dict[str, Any]:
    return {
        f"probes.{service}.{key}": value for service, probe in cluster.probes.items() for key, value in probe.items()
    }


def _set_gate(request: HttpRequest, cluster: Cluster, given: Mapping[str, Any]) -> None:
    update_cluster(cluster, actor_of(request), gate=validated(ClusterUpdateInput, given)["gate"])


def _set_probes(request: HttpRequest, cluster: Cluster, given: Mapping[str, Any]) -> None:
    update_cluster(cluster, actor_of(request), probes=validated(ClusterUpdateInput, given)["probes"])


ACTS = (
    Act(
        name="gate",
        call="cluster/update",
        label=_("Set the gate"),
        question=_("A run asks the gate before each host and pauses when it says no."),
        done=_("The gate is as you set it."),
        do=_set_gate,
        form=GateForm,
        initial=_gate_of,
    ),
    Act(
        name="probes",
        call="cluster/update",
        label=_("Set the probes"),
        question=_(
            "A run asks the probe of a service before and after it changes the service on a host, and while it "
            "watches it."
        ),
        done=_("The probes are as you set them."),
        do=_set_probes,
        form=ProbesForm,
        initial=_probes_of,
        template="admin/cluster/probes.html",
    ),
)
