"""What every section shares: the cluster that it belongs to, and checked ranges of integers."""

from __future__ import annotations

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q

from cluster.models import Cluster


def bounded(default: int, low: int, high: int) -> models.PositiveIntegerField[int, int]:
    """Return an integer field that takes low..high, both included."""
    return models.PositiveIntegerField(default=default, validators=[MinValueValidator(low), MaxValueValidator(high)])


def between(field: str, low: int, high: int) -> models.CheckConstraint:
    """Return the constraint by which the database refuses what `bounded` refuses."""
    return models.CheckConstraint(condition=Q(**{f"{field}__gte": low, f"{field}__lte": high}), name=f"{field}_bounds")


class Section(models.Model):
    """A row of one settings section; its primary key is the cluster."""

    cluster = models.OneToOneField(
        Cluster, on_delete=models.CASCADE, primary_key=True, related_name="%(class)s", editable=False
    )

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{self._meta.verbose_name} of {self.cluster}"
