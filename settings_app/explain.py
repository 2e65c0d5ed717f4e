"""Where a setting comes from and where it is enforced: who set it, through which door, in which revision."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID

from django.db.models import Subquery

from cluster.models import Cluster
from sysmgr.api.strict_json import printable
from sysmgr.errors import InvalidInput, Problem

from .models import SettingRevision
from .models.base import Section
from .paths import at, flat
from .sections import DOCUMENTED, SECTIONS, TIME_KEYS, columns, render_section
from .selectors import newest_revision, render_settings
from .services import DEMO_VALUES

# From when on a change applies, by path or section, the longest one that fits; sections that are only stored have none.
_APPLIES = {
    "login_policy": "now",
    "password_complexity_policy": "next_log_in",
    "password_complexity_policy.password_expired_warn_email_notify": "next_mail",
    "password_complexity_policy.notify_user_password_when_create": "next_mail",
    "mail_setting": "next_mail",
    "multi_authentication_setting": "next_log_in",
    "access_control_policy": "now",
    "front_style_setting": "now",
}
# The doors obey the default cluster; mail goes out as each cluster says.
_OF_EVERY_CLUSTER = frozenset(("mail_setting",))
APPLIES_TEXTS = {
    "now": ("from the next request on", "自下一个请求起生效"),
    "next_log_in": ("at the next log-in", "下次登录时生效"),
    "next_mail": ("with the next mail", "自下一封邮件起生效"),
    "stored": (
        "stored and served only; the doors obey the default cluster's log-in, password, second-factor, access and "
        "appearance settings, and nothing in this product uses storage_setting",
        "仅存储并提供查询；系统入口只遵循默认集群的登录、密码、第二因素、访问控制与外观设置，"
        "本产品不使用 storage_setting",
    ),
}
_TIME = "access_control_policy.time_access_control_policy"
_LIST = "snmp_settings.snmps"
_FACTS = ("number", "kind", "door", "author", "time")


def applies_of(path: str, *, default: bool) -> str:
    """Return from when on a change of `path` applies: now, next_log_in, next_mail or stored."""
    section = path.partition(".")[0]
    if not (default or section in _OF_EVERY_CLUSTER):
        return "stored"
    return _APPLIES.get(path) or _APPLIES.get(section, "stored")


def setting_paths() -> list[str]:
    """Return the path of every setting; SNMP's list and the time windows are one each, the latter's keys too."""
    found = []
    for name, model in SECTIONS.items():
        found += [f"{name}.{DOCUMENTED.get(column, column)}" for column in columns(model) if column != "has_list"]
    return [*found, *(f"{_TIME}.{key}" for key in TIME_KEYS), _LIST]


def explain(cluster_uuid: UUID, path: str) -> dict[str, Any]:
    """Return what there is to say of one setting: {path, value, default, origin, author, time, revision, enforced,
    applies}, secrets masked. Raises InvalidInput where `path` is none.

    Queries: section with newest revision, revision that set it; for SNMP also the targets.
    """
    _check(path)
    name = path.partition(".")[0]
    newest = newest_revision("pk")
    row: Any = (
        SECTIONS[name]
        ._default_manager.select_related("cluster")
        .annotate(origins=Subquery(newest.values("origins")[:1]))
        .get(pk=cluster_uuid)
    )
    number = _set_in(row.origins or {}, path)
    revisions = SettingRevision.objects.filter(cluster=cluster_uuid, number=number or 1).only(*_FACTS)
    return _told(row.cluster, path, at({name: render_section(row)}, path), number, revisions[0])


def explain_all(cluster: Cluster) -> list[dict[str, Any]]:
    """Return what there is to say of every setting, sections in the documented order.

    Queries: sections (one, joined), SNMP targets, newest origins, revisions that set something.
    """
    document = render_settings(cluster.pk)
    rows = SettingRevision.objects.filter(cluster=cluster)
    origins = rows.order_by("-number").values_list("origins", flat=True).first() or {}
    numbers = {path: _set_in(origins, path) for path in setting_paths()}
    revisions = {row.number: row for row in rows.filter(number__in={1, *numbers.values()}).only(*_FACTS)}
    order = list(SECTIONS)
    found = [
        _told(cluster, path, at(document, path), number, revisions[number or 1]) for path, number in numbers.items()
    ]
    return sorted(found, key=lambda one: order.index(one["path"].partition(".")[0]))


def _told(cluster: Cluster, path: str, value: Any, number: int, revision: SettingRevision) -> dict[str, Any]:
    """Return what there is to say of a setting that `revision` set last; `number` is 0 where none did."""
    default = default_of(path)
    demo = cluster.demo and value != default and path in demo_paths()
    applies = applies_of(path, default=cluster.default)
    return {
        "path": path,
        "value": value,
        "default": default,
        "origin": _origin(revision.kind, revision.door) if number else ("environment" if demo else "default"),
        "author": revision.author,
        "time": int(revision.time.timestamp()),
        "revision": number or 1,
        "enforced": applies != "stored",
        "applies": applies,
    }


def default_of(path: str) -> Any:
    """Return what a new cluster has at `path`."""
    name = path.partition(".")[0]
    model: type[Section] = SECTIONS[name]
    # An unsaved row can't be asked for its (no) targets.
    fresh = {"snmps": None} if path == _LIST else render_section(model())
    return at({name: fresh}, path)


def demo_paths() -> frozenset[str]:
    """Return the paths that SYSMGR_DEMO gave the demo cluster when it was made."""
    return frozenset(flat(DEMO_VALUES))


def _origin(kind: str, door: str) -> str:
    kinds = SettingRevision.Kind
    return kind if kind in (kinds.RESTORE, kinds.REVERT) else door


def _set_in(origins: Mapping[str, int], path: str) -> int:
    """Return the newest revision that set the path, what lies below it or what it lies in; 0 for none."""
    return max((number for other, number in origins.items() if _related(other, path)), default=0)


def _related(one: str, other: str) -> bool:
    return one == other or one.startswith(f"{other}.") or other.startswith(f"{one}.")


def _check(path: str) -> None:
    """Raise InvalidInput unless `path` is a setting; say which ones are meant."""
    known = setting_paths()
    if path in known:
        return
    near = list(_near(path, known))
    text, text_cn = "is no setting; setting/inspect shows them all", "不是有效的设置项；可通过 setting/inspect 查看"
    if near:
        named = ", ".join(near[:12]) + (", …" if len(near) > 12 else "")
        text, text_cn = f"is no single setting; name one of {named}", f"不是单个设置项，请指定其一：{named}"
    raise InvalidInput([Problem("path", f"{printable(path)} {text}", f"{printable(path)} {text_cn}")])


def _near(path: str, known: list[str]) -> Iterator[str]:
    """Yield the settings below the path, or what it lies in; else those of its section."""
    if path.startswith(f"{_LIST}["):
        yield _LIST
        return
    below = [one for one in known if one.startswith(f"{path}.")]
    section = path.partition(".")[0]
    yield from below or [one for one in known if section in SECTIONS and one.startswith(f"{section}.")]
