"""What opens the doors: read from the headers, and found with its user and the policy in one query.

A key for programs begins with `smk_`, so the text itself tells which table it is in.
"""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import InterfaceError, OperationalError, connection
from django.db.models import CharField, OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.functions import Cast, Concat
from django.http import HttpRequest

from cluster.models import Cluster
from settings_app.models import PendingChange, SettingRevision
from settings_app.policy import Policy, policy_of
from sysmgr.accounts import tokens
from sysmgr.accounts.models import ApiKey, Token, User
from sysmgr.errors import NotAuthenticated

from .compiled import Compiled
from .fields import StrictUUIDField

KEY_PREFIX = "smk_"
LEGACY_KEY_UNUSED = timedelta(days=30)  # contract §3
_CLEAR = re.compile(r"[A-Za-z0-9_\-.~+/=]{1,512}")


@dataclass(frozen=True)
class Doors:
    """What guards the doors at this moment, and the settings of the cluster that is asked for."""

    policy: Policy
    pending: datetime | None  # the nearest deadline of a change that is to be confirmed
    cluster_uuid: uuid.UUID | None = None
    revision_key: uuid.UUID | None = None
    revision_number: int | None = None


@dataclass(frozen=True)
class Found:
    """A known credential and its user; whether it is still good, `expired` tells."""

    row: Token | ApiKey
    user: User

    def expired(self, policy: Policy, now: datetime) -> bool:
        """Tell whether its time is over; a token's by today's policy too, however long it was promised."""
        if isinstance(self.row, Token):
            longest = self.row.create_time + timedelta(seconds=policy.login.token_expire_second)
            return min(self.row.expire_time, longest) <= now
        if self.row.legacy and (self.row.last_used_time or self.row.create_time) + LEGACY_KEY_UNUSED <= now:
            return True
        return self.row.expire_time is not None and self.row.expire_time <= now


def presented(request: HttpRequest) -> str:
    """Return the token or key that a request shows. Raises NotAuthenticated: none, two, or something else."""
    header, key = request.headers.get("Authorization"), request.headers.get("ApiKey")
    if header is None:
        clear = key or ""
        if not clear.startswith(KEY_PREFIX):
            raise NotAuthenticated
    else:
        scheme, _, clear = header.partition(" ")
        clear = clear.strip()
        if scheme.lower() != "bearer" or (key is not None and key != clear):
            raise NotAuthenticated
    if not _CLEAR.fullmatch(clear):
        raise NotAuthenticated
    return clear


def shows_any(request: HttpRequest) -> bool:
    """Tell whether a request has one of the headers at all."""
    return "Authorization" in request.headers or "ApiKey" in request.headers


def queried_cluster(request: HttpRequest) -> uuid.UUID | None:
    """Return the cluster that the query names; what is no UUID is refused later, with its path."""
    return StrictUUIDField.parse(request.GET.get("cluster_uuid"))


def _names(model: type[Any]) -> list[str]:
    return [field.attname for field in model._meta.concrete_fields]


_USER = _names(User)


def _newest(clusters: QuerySet[Cluster, Cluster]) -> Subquery:
    """Return `<cluster> <key> <number>` of a cluster's newest revision as one text: each further subquery costs the
    database more to plan than all of this costs to run."""
    newest = SettingRevision.objects.filter(cluster=OuterRef("pk")).order_by("-number")
    revision = newest.values(text=Concat(_text("key"), Value(" "), _text("number")))[:1]
    return Subquery(clusters.values(text=Concat(_text("pk"), Value(" "), Subquery(revision)))[:1])


def _text(name: str) -> Cast:
    return Cast(name, CharField())


def _policy(rows: QuerySet[Any, Any]) -> QuerySet[Any, Any]:
    annotated: QuerySet[Any, Any] = rows.annotate(
        policy=_newest(Cluster.objects.filter(default=True)),
        pending_deadline=Subquery(PendingChange.objects.order_by("deadline").values("deadline")[:1]),
    )
    return annotated


def _of(model: type[Any]) -> tuple[Compiled, Compiled]:
    """Return the query of a credential alone, and the one that also reads the cluster which the request names."""
    columns = [*_names(model), *(f"user__{name}" for name in _USER), "policy", "pending_deadline"]

    def alone(digest: str) -> QuerySet[Any, Any]:
        rows: QuerySet[Any, Any] = _policy(model._default_manager.filter(digest=digest)).values_list(*columns)
        return rows

    def queried(digest: str, cluster: uuid.UUID) -> QuerySet[Any, Any]:
        rows = _policy(model._default_manager.filter(digest=digest))
        values: QuerySet[Any, Any] = rows.annotate(queried=_newest(Cluster.objects.filter(Q(pk=cluster)))).values_list(
            *columns, "queried"
        )
        return values

    return Compiled(alone, "the digest"), Compiled(queried, "the digest", uuid.UUID(int=1))


_queries: dict[type[Any], tuple[Compiled, Compiled]] = {Token: _of(Token), ApiKey: _of(ApiKey)}
_doors = Compiled(lambda: _policy(Cluster.objects.filter(default=True)).values_list("policy", "pending_deadline"))


def find(clear: str, queried: uuid.UUID | None) -> tuple[Found | None, Doors]:
    """Return what the credential is and what guards the doors. Queries: one; for an unknown credential two."""
    model: type[Token] | type[ApiKey] = ApiKey if clear.startswith(KEY_PREFIX) else Token
    alone, named = _queries[model]
    digest = tokens.digest(clear)
    row = _first(named, digest, queried) if queried else _first(alone, digest)
    if row is None:
        return None, doors()
    own = len(_names(model))
    credential = model.from_db(connection.alias, _names(model), row[:own])
    user = User.from_db(connection.alias, _USER, row[own : own + len(_USER)])
    credential.user = user
    return Found(credential, user), _told(row[own + len(_USER) :])


def doors() -> Doors:
    """Return what guards the doors. Queries: one; after a change of the policy one more."""
    return _told(_first(_doors) or [None, None])


def _told(row: list[Any]) -> Doors:
    policy, pending, *queried = row
    default, key, number = _parsed(policy)
    return Doors(policy_of(default, key), pending, *(_parsed(queried[0]) if queried else (default, key, number)))


def _parsed(text: str | None) -> tuple[uuid.UUID | None, uuid.UUID | None, int | None]:
    cluster, key, number = [*(text or "").split(), "", "", ""][:3]
    return (
        uuid.UUID(cluster) if cluster else None,
        uuid.UUID(key) if key else None,
        int(number) if number else None,
    )


def _first(query: Compiled, *values: Any) -> list[Any] | None:
    """Run a query; on a connection kept from before that broke meanwhile, once more on a new one."""
    kept = connection.connection is not None and not connection.in_atomic_block
    connection.health_check_done = True  # type: ignore[attr-defined]  # this query is the check: asking twice would double what a read costs
    try:
        return query.first(*values)
    except (OperationalError, InterfaceError):
        if not kept:
            raise
        connection.close()
        return query.first(*values)
