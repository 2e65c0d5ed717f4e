"""What every section shares: the cluster that it belongs to, and checked ranges of integers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from cluster.models import Cluster

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise


def bounded(
    label: _StrPromise, default: int, low: int, high: int, help_text: str | _StrPromise = ""
) -> models.PositiveIntegerField[int, int]:
    """Return an integer field that takes low..high, both included."""
    checks = [MinValueValidator(low), MaxValueValidator(high)]
    return models.PositiveIntegerField(label, default=default, validators=checks, help_text=help_text)


def between(field: str, low: int, high: int) -> models.CheckConstraint:
    """Return the constraint by which the database refuses what `bounded` refuses."""
    return models.CheckConstraint(condition=Q(**{f"{field}__gte": low, f"{field}__lte": high}), name=f"{field}_bounds")


class Section(models.Model):
    """A row of one settings section; its primary key is the cluster."""

    cluster = models.OneToOneField(
        Cluster,
        on_delete=models.CASCADE,
        primary_key=True,
        related_name="%(class)s",
        editable=False,
        verbose_name=_("cluster"),
    )

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{self._meta.verbose_name}: {self.cluster}"
