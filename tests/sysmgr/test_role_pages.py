"""Every page of the admin against every role, from a table written after contract §3; a page without a line fails."""

from __future__ import annotations

import re

import pytest
from django.apps import apps
from django.contrib import admin
from django.urls import URLPattern, URLResolver

from cluster.models import Cluster
from settings_app.models.base import Section
from sysmgr.accounts.models import Role
from sysmgr.audit.models import AuditRow
from tests import rows
from tests.pages import enter

ADMINISTRATOR, OPERATOR, AUDITOR = Role.ADMINISTRATOR, Role.OPERATOR, Role.AUDITOR
NOBODY: frozenset[str] = frozenset()
ADMINISTRATORS: frozenset[str] = frozenset({ADMINISTRATOR})
WORKERS: frozenset[str] = frozenset({ADMINISTRATOR, OPERATOR})
READERS: frozenset[str] = frozenset({ADMINISTRATOR, AUDITOR})
ALL: frozenset[str] = frozenset({ADMINISTRATOR, OPERATOR, AUDITOR})
# The rows of each model: its list, a row and the row's history.
MODELS = {
    READERS: """
        accounts/apikey accounts/loginguard accounts/passwordlink accounts/recoverycode accounts/secondfactor
        accounts/token accounts/user audit/auditrow audit/audittally
        """,
    ALL: """
        api/idempotencykey cluster/cluster cluster/host cluster/hostservice cluster/leaderlease cluster/member
        events/alert events/cursor events/event settings_app/accesscontrolpolicy settings_app/frontstylesetting
        settings_app/loginpolicy settings_app/mailsetting settings_app/multiauthenticationsetting
        settings_app/outboxmail settings_app/passwordcomplexitypolicy settings_app/pendingchange
        settings_app/settingrevision settings_app/snmpsettings settings_app/storagesetting upgrades/backup
        upgrades/hosthold upgrades/steplog upgrades/trustedkey upgrades/tusupload upgrades/upgradeitem
        upgrades/upgradepackage upgrades/upgraderun
        """,
}
# What is done on pages; a star is the row.
ACTS = {
    ADMINISTRATORS: """
        accounts/apikey/*/remove accounts/loginguard/*/unlock accounts/token/*/end accounts/user/*/password_link
        accounts/user/*/remove accounts/user/*/reset_second_factor accounts/user/*/set_password accounts/user/*/update
        accounts/user/create cluster/cluster/*/gate cluster/cluster/*/probes settings_app/outboxmail/*/remove
        settings_app/outboxmail/*/retry settings_app/pendingchange/*/confirm settings_app/settingrevision/*/restore
        """,
    WORKERS: """
        cluster/host/*/adopt cluster/host/*/hold_out cluster/host/*/probe cluster/host/*/repin
        cluster/host/*/take_back cluster/host/import events/alert/*/acknowledge upgrades/backup/*/remove
        upgrades/backup/*/restore upgrades/backup/*/verify
        upgrades/backup/new upgrades/upgradepackage/*/reinstate upgrades/upgradepackage/*/remove
        upgrades/upgradepackage/*/verify upgrades/upgradepackage/*/withdraw upgrades/upgradepackage/upload
        upgrades/upgraderun/*/cancel upgrades/upgraderun/*/pause upgrades/upgraderun/*/resume
        upgrades/upgraderun/*/retry upgrades/upgraderun/*/rollback upgrades/upgraderun/*/skip
        upgrades/upgraderun/*/waive upgrades/upgraderun/new
        """,
    ALL: """
        accounts/apikey/mine accounts/apikey/mine/create accounts/token/mine second_factor
        settings_app/settingrevision/origins/* upgrades/upgraderun/*/progress
        """,
}
TABLE = {f"{path}/": roles for roles, paths in ACTS.items() for path in paths.split()}
for _roles, _paths in MODELS.items():
    for _path in _paths.split():
        TABLE |= dict.fromkeys((f"{_path}/", f"{_path}/*/change/", f"{_path}/*/history/"), _roles)
        TABLE |= dict.fromkeys((f"{_path}/add/", f"{_path}/*/delete/"), NOBODY)
# Django's and the theme's own: each of them asks for a session only, or leads to one of the others.
APART = {"/", "login/", "logout/", "password_change/", "password_change/done/"}
APART |= {"autocomplete/", "jsi18n/", "search/", "style.css", "r/*/*/"}


def walk(patterns: list[URLPattern | URLResolver], before: str = "") -> set[str]:
    """Return the addresses below `patterns`, with a star for each part that differs."""
    found: set[str] = set()
    for pattern in patterns:
        address = before + re.sub(r"<[^>]+>", "*", str(pattern.pattern))
        if isinstance(pattern, URLResolver):
            found |= walk(pattern.url_patterns, address)
        else:
            found.add(address or "/")
    return found


def pages() -> set[str]:
    """Return every page but each app's list of its models, Django's catch-all and its old addresses of rows."""
    addresses = walk(admin.site.urls[0])
    return {a for a in addresses if "(?P" not in a and not re.fullmatch(r"\w+/\w+/\*/", a)}


def address_of(page: str, cluster: Cluster) -> str:
    """Fill in the row: the first one of the model, or the cluster."""
    if "*" not in page:
        return f"/admin/{page}"
    app, model, _rest = page.split("/", 2)
    row = apps.get_model(app, model)._default_manager.first()
    assert row is not None
    return f"/admin/{page}".replace("*", str(cluster.pk if "origins" in page else row.pk))


def test_the_table_knows_every_page() -> None:
    assert pages() - APART == set(TABLE)


@pytest.mark.parametrize("role", Role.values)
def test_each_page_opens_for_whom_it_may(cluster: Cluster, role: str) -> None:
    rows.one_of_each(cluster)
    client = enter(role)
    opened = {page for page in TABLE if client.get(address_of(page, cluster)).status_code in (200, 302)}
    assert opened == {page for page, roles in TABLE.items() if role in roles}


@pytest.mark.parametrize("role", Role.values)
def test_who_may_not_do_it_is_refused_and_that_is_audited(cluster: Cluster, role: str) -> None:
    rows.one_of_each(cluster)
    client = enter(role)
    closed = [page for page, roles in TABLE.items() if role not in roles]
    statuses = {page: client.post(address_of(page, cluster), {"post": "yes"}).status_code for page in closed}
    assert statuses == dict.fromkeys(closed, 403)
    told = AuditRow.objects.filter(action="call", result="refused", user_name=f"the-{role}", door="admin")
    objects = {re.sub(r"<[^>]+>", "*", text) for text in told.values_list("object", flat=True)}
    assert objects == {f"POST /admin/{page}" for page in closed}


@pytest.mark.parametrize("role", [OPERATOR, AUDITOR])
def test_only_administrators_change_a_section(cluster: Cluster, role: str) -> None:
    client = enter(role)
    for model in apps.get_app_config("settings_app").get_models():
        if issubclass(model, Section):
            row = model._default_manager.get(cluster=cluster)
            page = f"/admin/settings_app/{model._meta.model_name}/{row.pk}/change/"
            assert client.post(page, {}).status_code == 403, model
