"""The reads of settings: three queries when they changed, none beside the gate's when they did not."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Any
from uuid import UUID

from django.db.models import OuterRef, QuerySet

from cluster.models import Cluster

from .models import FrontStyleSetting, LoginPolicy, MailSetting, SettingRevision
from .sections import PASSWORD_SPECIAL_CHAR, SECTIONS, render_section

_CACHED_CLUSTERS = 64
# By revision and by what the caller may see: secrets as masks (False) or in clear (True).
_cache: OrderedDict[tuple[UUID, bool], dict[str, Any]] = OrderedDict()
_lock = threading.Lock()


def render_settings(cluster_uuid: UUID, *, clear: bool = False) -> dict[str, Any]:
    """Return the eight sections as documented, secrets masked unless `clear`.

    Queries: sections (one, joined), SNMP targets (one).
    """
    accessors = {
        name: model._meta.get_field("cluster").remote_field.get_accessor_name() for name, model in SECTIONS.items()
    }
    row = Cluster.objects.select_related(*accessors.values()).get(pk=cluster_uuid)
    return {name: render_section(getattr(row, accessor), clear=clear) for name, accessor in accessors.items()}


def cached_settings(cluster_uuid: UUID, key: UUID | None, *, clear: bool = False) -> dict[str, Any]:
    """Return the sections as of revision `key`, rendered once per worker.

    The key is read before the sections are, so what is kept under it is never older than it says.
    """
    if key is None:
        return render_settings(cluster_uuid, clear=clear)
    with _lock:
        found = _cache.get((key, clear))
        if found is not None:
            _cache.move_to_end((key, clear))
            return found
    rendered = render_settings(cluster_uuid, clear=clear)
    with _lock:
        _cache[key, clear] = rendered
        while len(_cache) > _CACHED_CLUSTERS:
            _cache.popitem(last=False)
    return rendered


def with_special_char(sections: dict[str, Any]) -> dict[str, Any]:
    """Return what inspect shows: the sections and the constant of the password rule."""
    return {**sections, "password_special_char": PASSWORD_SPECIAL_CHAR}


def mail_setting(cluster: Cluster) -> MailSetting:
    """Return the cluster's mail section."""
    return MailSetting.objects.get(cluster=cluster)


def newest_revision(cluster_uuid: str) -> QuerySet[SettingRevision]:
    """Return the subquery of the newest revision of the cluster that the outer query's column names."""
    return SettingRevision.objects.filter(cluster=OuterRef(cluster_uuid)).order_by("-number")


def login_policy() -> LoginPolicy:
    """Return the policy that the doors obey: the default cluster's, or the safer defaults while there is none."""
    return LoginPolicy.objects.filter(cluster__default=True).first() or LoginPolicy()


def front_style() -> FrontStyleSetting:
    """Return how the doors look: as the default cluster says, or plain while there is none. One query."""
    return FrontStyleSetting.objects.filter(cluster__default=True).first() or FrontStyleSetting()
