"""The admin's theme: sidebar, languages, content policy, and nothing that a browser would refuse or fetch elsewhere."""

from __future__ import annotations

import ast
import gettext
import re
from collections.abc import Iterator
from pathlib import Path

import django
import pytest
from django.apps import apps
from django.conf import settings
from django.contrib import admin
from django.contrib.staticfiles import finders
from django.db.models import Model
from django.test import Client, RequestFactory
from django.urls import reverse
from django.utils import translation
from django.utils.module_loading import import_string

from cluster.models import Cluster
from settings_app.models import FrontStyleSetting, OutboxMail
from settings_app.models.base import Section
from sysmgr import navigation
from sysmgr.accounts.models import Role, User
from sysmgr.events.models import Alert, Event
from sysmgr.settings import UNFOLD
from sysmgr.theme_texts import TEXTS
from tests import rows
from tests.pages import LANGUAGES, enter, faults, url
from upgrades.models import UpgradeItem, UpgradeRun

POLICY = "Content-Security-Policy"


def directives(policy: str) -> dict[str, str]:
    return dict(part.strip().partition(" ")[::2] for part in policy.split(";"))


def listed() -> Iterator[tuple[type[Model], Model]]:
    for model in admin.site._registry:
        row = model._default_manager.first()
        if row is not None and model._meta.label != "auth.Permission":
            yield model, row


@pytest.mark.alike
@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("role", Role.values)
def test_no_page_holds_a_script_or_leads_elsewhere(cluster: Cluster, role: str, language: str) -> None:
    rows.one_of_each(cluster)
    client = enter(role, language)
    pages = [reverse("admin:index"), reverse("admin:password_change")]
    for model, row in listed():
        pages += [url(model, "changelist"), url(model, "change", row.pk)]
    for page in pages:
        answer = client.get(page, follow=True)
        if answer.status_code != 403:
            assert (page, answer.status_code, faults(answer)) == (page, 200, [])
            assert f'<html lang="{language}"' in answer.content.decode()


def test_the_log_in_page_keeps_the_way_and_offers_the_other_language(cluster: Cluster) -> None:
    User.objects.create_user("admin", "right-password", role=Role.ADMINISTRATOR)
    client = Client()
    page = client.get("/admin/login/?next=/admin/cluster/host/")
    assert faults(page) == []
    text = page.content.decode()
    assert 'form="login-form" name="next" value="/admin/cluster/host/"' in text and "简体中文" in text
    form = {"username": "admin", "password": "right-password", "next": "/admin/cluster/host/"}
    assert client.post("/admin/login/", form)["Location"] == "/admin/cluster/host/"
    client.logout()
    straight = client.post("/admin/login/", {"username": "admin", "password": "right-password"})
    assert straight["Location"] == "/admin/"
    elsewhere = {**form, "next": "https://evil.example.com/"}
    assert Client().post("/admin/login/", elsewhere)["Location"] == "/admin/"


def test_a_language_is_chosen_and_kept(cluster: Cluster) -> None:
    client = enter(Role.AUDITOR)
    answer = client.post("/language", {"language": "zh-hans", "next": "/admin/"}, follow=True)
    assert '<html lang="zh-hans"' in answer.content.decode()
    chinese = client.get("/admin/").content.decode()
    assert "系统管理" in chinese and ">English</button>" in chinese  # a language bears its own name
    assert client.post("/language", {"language": "en", "next": "https://evil.example.com/"})["Location"] == "/"
    assert Client(enforce_csrf_checks=True).post("/language", {"language": "en"}).status_code == 403


def test_the_policy_is_strict_and_widened_under_the_admin_only(cluster: Cluster) -> None:
    strict = directives(Client().get("/v1/system/version").headers[POLICY])
    assert (strict["default-src"], strict["script-src"], strict["style-src"]) == ("'none'", "'self'", "'self'")
    assert strict["frame-ancestors"] == "'none'"
    wide = directives(enter(Role.AUDITOR).get("/admin/").headers[POLICY])
    assert wide["script-src"] == "'self' 'unsafe-eval'"
    assert wide["style-src"] == "'self' 'unsafe-inline'"
    assert {key: wide[key] for key in ("default-src", "img-src", "base-uri", "frame-ancestors")} == {
        key: strict[key] for key in ("default-src", "img-src", "base-uri", "frame-ancestors")
    }


def test_every_page_is_in_the_sidebar_and_the_callback_is_no_text(cluster: Cluster, rf: RequestFactory) -> None:
    assert navigation.unlisted() == []
    # The theme shows a dotted path that it cannot import as text, without a word.
    assert import_string(UNFOLD["SIDEBAR"]["navigation"]) is navigation.groups
    page = enter(Role.ADMINISTRATOR).get("/admin/")
    shown = page.context["sidebar_navigation"]
    assert [str(group["title"]) for group in shown[1:]] == [
        "Settings",
        "Packages and upgrades",
        "Cluster",
        "Alerts and mail",
        "Audit and users",
    ]
    links = {item["link"] for group in shown for item in group["items"]}
    assert links == {"/admin/", "/admin/second_factor/"} | {url(model, "changelist") for model in admin.site._registry}
    assert all(f'href="{link}"' in page.content.decode() for link in links)


def test_the_sidebar_shows_what_the_role_may_see(cluster: Cluster) -> None:
    shown = enter(Role.OPERATOR, "zh-hans").get("/admin/").context["sidebar_navigation"]
    links = {item["link"] for group in shown for item in group["items"]}
    assert "/admin/upgrades/upgraderun/" in links
    assert not [link for link in links if link.startswith(("/admin/accounts/", "/admin/audit/"))]
    titles = [str(item["title"]) for group in shown for item in group["items"]]
    assert [title for title in titles if not re.search("[一-鿿]", title)] == []


def test_where_one_is_is_marked(cluster: Cluster) -> None:
    shown = enter(Role.AUDITOR).get("/admin/cluster/host/").context["sidebar_navigation"]
    assert [item["link"] for group in shown for item in group["items"] if item["active"]] == ["/admin/cluster/host/"]


def test_settings_are_forms_in_the_theme(cluster: Cluster) -> None:
    client = enter(Role.ADMINISTRATOR)
    for model in admin.site._registry:
        if issubclass(model, Section):
            page = client.get(url(model, "change", cluster.pk)).content.decode()
            assert "rounded-default" in page and 'name="reason"' in page


def test_each_class_that_a_page_names_has_a_rule() -> None:
    root, rules = Path(settings.BASE_DIR), ""
    for name in ("unfold/css/styles.css", "sysmgr/admin.css"):
        rules += Path(finders.find(name) or "").read_text()
    known = {name.replace("\\", "") for name in re.findall(r"\.((?:\\.|[\w-])+)", rules)}
    files = [*(root / "templates").rglob("*.html")]
    files += [file for app in ("sysmgr", "cluster", "settings_app", "upgrades") for file in (root / app).rglob("*.py")]
    named = {
        word for file in files for given in re.findall(r'class="([^"]*)"', file.read_text()) for word in words(given)
    }
    assert named - known == {"submit-row"}  # the theme's own page has it too, and no rule


def words(given: str) -> list[str]:
    """Return the classes of an attribute, whatever its template tags choose."""
    return re.sub(r"\{%.*?%\}|\{\{.*?\}\}", " ", given).split()


def known_to_django() -> set[str]:
    found: set[str] = set()
    for file in Path(django.__file__).parent.rglob("zh_Hans/LC_MESSAGES/django.mo"):
        with file.open("rb") as opened:
            keys = gettext.GNUTranslations(opened)._catalog  # type: ignore[attr-defined]
        found |= {(key if isinstance(key, str) else key[0]).split("\x04")[-1] for key in keys}
    return found


def test_the_theme_s_own_texts_are_in_our_catalogue() -> None:
    folder = Path(apps.get_app_config("unfold").path)
    texts: set[str] = set()
    for file in (folder / "templates").rglob("*.html"):
        if "unfold_crispy" not in file.parts:
            for _, text in re.findall(r"""\{%-?\s*trans(?:late)?\s+(["'])(.*?)\1""", file.read_text()):
                texts.add(text)
    for file in folder.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "_" and node.args:
                texts.add(str(getattr(node.args[0], "value", "")))
    shown_nowhere = {text for text in texts if text.startswith("Raw passwords")}
    with translation.override("en"):
        assert texts - known_to_django() - {str(text) for text in TEXTS} - shown_nowhere == set()


def test_pages_are_found_by_name(cluster: Cluster) -> None:
    client = enter(Role.OPERATOR)
    assert "/admin/cluster/host/" in client.get("/admin/search/", {"s": "host"}).content.decode()
    assert "/admin/audit/" not in client.get("/admin/search/", {"s": "audit"}).content.decode()
    for page in ("x", "0", "99"):
        assert client.get("/admin/search/", {"s": "host", "page": page}).status_code == 400


def test_the_look_is_the_default_cluster_s(cluster: Cluster) -> None:
    empty = Client().get("/admin/style.css")
    assert (empty["Content-Type"], empty.content) == ("text/css; charset=utf-8", b"")
    image = f"/media/login-image/{'a' * 64}.png"
    style = {"navigate_color": "#102030", "main_body_color": "#f0f0f0", "login_image": image}
    FrontStyleSetting.objects.filter(cluster=cluster).update(**style, login_url="https://example.com/#/login")
    rules = Client().get("/admin/style.css").content.decode()
    assert "background: #102030" in rules and "background: #f0f0f0" in rules
    assert rules.count("color: #ffffff") == 1  # white words on what is dark only
    page = Client().get("/admin/login/")
    assert image in page.content.decode() and "https://example.com/#/login" in page.content.decode()
    assert faults(page) == []  # the address is text, no link
    assert 'href="/admin/style.css"' in enter(Role.AUDITOR).get("/admin/").content.decode()


def test_without_a_cluster_people_still_log_in(db: None) -> None:
    assert Client().get("/admin/login/").status_code == 200
    assert Client().get("/admin/style.css").content == b""


def test_what_others_wrote_stays_text(cluster: Cluster) -> None:
    hostile = "<script>alert(1)</script>'\"><img src=x onerror=alert(1)>{{ 7 }}"
    rows.one_of_each(cluster)
    Alert.objects.update(message=hostile, key=hostile)
    Event.objects.update(message=hostile, kind=hostile[:64])
    User.objects.filter(user_name="somebody").update(user_name=hostile[:64])
    UpgradeRun.objects.update(message=hostile, reason=hostile, author=hostile[:64])
    UpgradeItem.objects.update(message=hostile)
    OutboxMail.objects.update(subject=hostile, last_reply=hostile)
    client = enter(Role.ADMINISTRATOR)
    for model in (Alert, Event, User, UpgradeRun, UpgradeItem, OutboxMail):
        for row in model._default_manager.all():
            pages = [url(model, "changelist"), url(model, "change", row.pk)]
            page_acts = getattr(admin.site.get_model_admin(model), "acts", ())
            for page in [*pages, *(url(model, act.name, row.pk) for act in page_acts)]:
                answer = client.get(page)
                assert (page, answer.status_code, faults(answer)) == (page, 200, [])
