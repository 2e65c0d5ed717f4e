"""The policy that the doors obey: the default cluster's sections, read once per worker and revision."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from functools import cached_property
from uuid import UUID

from django.db.models import Subquery

from cluster.models import Cluster

from .access.rules import Rules
from .models import AccessControlPolicy, LoginPolicy, MultiAuthenticationSetting, PasswordComplexityPolicy
from .selectors import newest_revision

_KEPT = 16


@dataclass(frozen=True)
class Policy:
    """What guards the doors. `key` is the revision's random one; None: no cluster yet, the safer values of §2."""

    key: UUID | None = None
    cluster_uuid: UUID | None = None
    login: LoginPolicy = field(default_factory=LoginPolicy)
    password: PasswordComplexityPolicy = field(default_factory=PasswordComplexityPolicy)
    factor: MultiAuthenticationSetting = field(default_factory=MultiAuthenticationSetting)
    access: AccessControlPolicy = field(default_factory=AccessControlPolicy)

    @cached_property
    def rules(self) -> Rules:
        """Access control made ready to be asked at each request."""
        return Rules(self.access)


SAFE = Policy()
_cache: OrderedDict[UUID, Policy] = OrderedDict()
_lock = threading.Lock()


def current_policy() -> Policy:
    """Return the policy of this moment. Queries: one; after a change one more."""
    newest = newest_revision("pk").values("key")[:1]
    found = Cluster.objects.filter(default=True).annotate(policy_key=Subquery(newest)).values_list("pk", "policy_key")
    cluster_uuid, key = found.first() or (None, None)
    return policy_of(cluster_uuid, key)


def policy_of(cluster_uuid: UUID | None, key: UUID | None) -> Policy:
    """Return the policy of a cluster as of its revision `key`, which was read before. Queries: none, or one."""
    if cluster_uuid is None:
        return SAFE
    if key is not None:
        with _lock:
            if key in _cache:
                _cache.move_to_end(key)
                return _cache[key]
    policy = read_policy(cluster_uuid, key)
    if key is not None:
        with _lock:
            _cache[key] = policy
            while len(_cache) > _KEPT:
                _cache.popitem(last=False)
    return policy


def read_policy(cluster_uuid: UUID, key: UUID | None = None) -> Policy:
    """Return a cluster's policy as it is stored now, changes of this very transaction included. Queries: one."""
    accessors = ("loginpolicy", "passwordcomplexitypolicy", "multiauthenticationsetting", "accesscontrolpolicy")
    row = Cluster.objects.select_related(*accessors).get(pk=cluster_uuid)
    return Policy(
        key=key,
        cluster_uuid=cluster_uuid,
        login=row.loginpolicy,
        password=row.passwordcomplexitypolicy,
        factor=row.multiauthenticationsetting,
        access=row.accesscontrolpolicy,
    )
