"""The inputs that several forms of these pages share."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from cluster.models import Cluster
from sysmgr.theme import Select


def cluster_field() -> Any:
    """Return the choice of a cluster, the default one first."""
    rows = Cluster.objects.order_by("-default", "name")
    return forms.ModelChoiceField(rows, label=_("Cluster"), empty_label=None, widget=Select)
