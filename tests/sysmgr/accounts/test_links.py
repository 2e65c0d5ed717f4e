"""One-time links: mailed or shown once, good once and for a day, telling strangers nothing; they enroll factors too."""

from __future__ import annotations

import re
import time
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.db.models import F
from django.test import Client

from cluster.models import Cluster
from settings_app.mail import sender
from settings_app.models import OutboxMail
from sysmgr import env
from sysmgr.accounts.links import ENROLL_SECONDS
from sysmgr.accounts.models import PasswordLink, RecoveryCode, Role, SecondFactor, User
from sysmgr.accounts.users import LINK, update_user
from sysmgr.audit.models import AuditRow
from sysmgr.audit.services import SYSTEM
from tests.pages import LANGUAGES, enter, faults, url
from tests.settings_app.mail.mails import configure
from tests.settings_app.mail.servers import Mailbox, smtp
from tests.together import at_once

from .calls import PASSWORD, enter_api, person
from .factors import ask, enrol, shown
from .people import NEXT, caller, post, rules, token_of, use

NEW = {"user_name": "carol", "role": "operator", "email": "carol@example.com"}
DONE = b"Your password is set."


@pytest.fixture
def anna(cluster: Cluster) -> User:
    return person()


def link_for(user: User) -> str:
    link = update_user(user.pk, {}, SYSTEM, password=LINK).link
    assert link is not None
    return link


def at(link: str, **headers: str) -> Any:
    return Client(headers=headers).get("/password", {"link": token_of(link)})


@pytest.mark.parametrize("language", LANGUAGES)
def test_looking_does_not_use_it_up_and_the_browser_keeps_nothing(anna: User, language: str) -> None:
    link = link_for(anna)
    for _ in range(3):
        page = at(link, **{"Accept-Language": language})
        assert (page.status_code, faults(page)) == (200, [])
        assert "no-store" in page["Cache-Control"] and page["Referrer-Policy"] == "same-origin"
    assert PasswordLink.objects.get().used_time is None
    assert token_of(link) not in str(list(PasswordLink.objects.values()))


def test_it_sets_a_password_once(anna: User) -> None:
    client, link = caller(), link_for(anna)
    assert enter_api().status_code == 200  # the old one works until then
    assert DONE in use(link).content
    assert enter_api(NEXT).status_code == 200 and client.get("/v1/system/version").status_code == 401
    again = use(link, "A-third-1-entirely")
    assert again.status_code == 404 and enter_api(NEXT).status_code == 200
    row = AuditRow.objects.get(action="password.set")
    assert (row.user_name, row.door, row.object) == ("anna", "link", "user anna")


def test_unknown_used_old_and_disabled_answer_alike(anna: User) -> None:
    used, other = link_for(anna), person("bert", Role.AUDITOR)
    use(used)
    old = link_for(other)
    PasswordLink.objects.filter(user=other).update(
        create_time=F("create_time") - timedelta(hours=24), expire_time=F("expire_time") - timedelta(hours=24)
    )
    off = person("dora", Role.AUDITOR)
    disabled = link_for(off)
    User.objects.filter(pk=off.pk).update(is_active=False)
    replaced = link_for(anna)
    link_for(anna)
    links = ["x?link=" + "A" * 43, "x?link=", "x?link=%00", used, old, disabled, replaced]

    def plain(answer: Any) -> tuple[int, str]:
        text = re.sub(r'(csrfmiddlewaretoken" value|value)="[^"]*"', "", answer.content.decode())
        return answer.status_code, text

    assert len({plain(at(link)) for link in links}) == 1 and at(used).status_code == 404
    assert len({plain(use(link)) for link in links}) == 1
    assert AuditRow.objects.filter(action="password.link", result="refused").exists()


@pytest.mark.parametrize("password", ["12", PASSWORD, ""])
def test_a_password_that_the_rules_refuse_leaves_it_good(cluster: Cluster, anna: User, password: str) -> None:
    link = link_for(anna)
    rules(cluster, password_minimum_length=3)
    refused = use(link, password)
    assert refused.status_code == 200 and DONE not in refused.content
    assert DONE in use(link).content


@pytest.mark.django_db(transaction=True)
def test_of_many_at_once_one_sets_it(cluster: Cluster) -> None:
    anna = person()
    link = link_for(anna)
    answers = [DONE in answer.content for answer in at_once([partial(use, link, f"{NEXT}-{n}") for n in range(4)])]
    assert sorted(answers) == [False, False, False, True]
    anna.refresh_from_db()
    assert anna.check_password(f"{NEXT}-{answers.index(True)}")


def test_a_post_from_another_site_is_refused_and_logs_no_link(anna: User, caplog: pytest.LogCaptureFixture) -> None:
    link = link_for(anna)
    assert use(link, client=Client(enforce_csrf_checks=True)).status_code == 403
    assert token_of(link) not in caplog.text and PasswordLink.objects.get().used_time is None


def test_another_password_and_another_link_end_it(anna: User) -> None:
    link = link_for(anna)
    update_user(anna.pk, {"email": "a@example.com"}, SYSTEM)
    assert at(link).status_code == 200
    second = link_for(anna)
    assert at(link).status_code == 404
    post(caller(), "authentication/password/change", {"old_password": PASSWORD, "new_password": NEXT})
    assert at(second).status_code == 404


def create(api: Client) -> Any:
    return post(api, "system/user/create", NEW).json()["data"]


def create_page(client: Client) -> Any:
    return client.post("/admin/accounts/user/create/", NEW, follow=True)


def test_a_new_user_is_mailed_the_link_where_policy_and_mail_say_so(api: Client, cluster: Cluster) -> None:
    mailbox = Mailbox()
    with smtp(mailbox) as port:
        configure(cluster, port)
        rules(cluster, notify_user_password_when_create=True)
        assert "password_link" not in create(api)
        sender.send_due()
    (message,) = mailbox.messages
    text = message.get_content()
    (link,) = re.findall(rf"{re.escape(env.PUBLIC_URL)}/password\?link=\S+", text)
    assert message["To"] == "carol@example.com" and "一次性链接" in text
    assert DONE in use(link).content and enter_api(NEXT, "carol").status_code == 200


@pytest.mark.parametrize("off", ["policy", "mail", "address"])
def test_else_it_is_shown_once_at_the_api(
    api: Client, cluster: Cluster, monkeypatch: pytest.MonkeyPatch, off: str
) -> None:
    configure(cluster, 25, enabled=off != "mail")
    rules(cluster, notify_user_password_when_create=off != "policy")
    if off == "address":
        monkeypatch.setitem(NEW, "email", "")
    assert at(create(api)["password_link"]).status_code == 200 and not OutboxMail.objects.exists()


def test_at_the_admin_it_is_mailed_or_shown_once(cluster: Cluster) -> None:
    client = enter(Role.ADMINISTRATOR)
    shown_ = create_page(client)
    (link,) = re.findall(r"http://[^<\s]+/password\?link=[\w-]+", shown_.content.decode())
    assert "no-store" in shown_["Cache-Control"] and at(link).status_code == 200
    carol = User.objects.get(user_name="carol")
    assert token_of(link) not in client.get(url(User, "change", carol.pk)).content.decode()
    configure(cluster, 25)
    rules(cluster, notify_user_password_when_create=True)
    told = client.post(url(User, "password_link", carol.pk), follow=True)
    assert b"was mailed" in told.content and b"link=" not in told.content
    assert OutboxMail.objects.get().receiver == "carol@example.com" and at(link).status_code == 404
    made = client.post("/admin/accounts/user/create/", {**NEW, "user_name": "dave"}, follow=True)
    assert b"was mailed" in made.content and b"link=" not in made.content and OutboxMail.objects.count() == 2


def test_where_a_second_factor_is_asked_for_the_page_enrolls_it(cluster: Cluster, anna: User) -> None:
    enrol(person("boss"))  # else nobody could pass
    ask(cluster)
    link = link_for(anna)
    page = use(link)
    assert b'name="permit"' in page.content and b"data:image/svg" in page.content and faults(page) == []
    (permit,) = re.findall(r'name="permit" value="([^"]+)"', page.content.decode())
    wrong = Client().post("/password", {"permit": permit, "otp": "000000"})
    assert wrong.status_code == 200 and not SecondFactor.objects.get(user=anna).confirmed_time
    assert b"data:image/svg" in Client().post("/password", {"permit": permit, "again": "1"}).content
    done = Client().post("/password", {"permit": permit, "otp": shown(anna)})
    codes = re.findall(r"[A-Z2-7]{4}(?:-[A-Z2-7]{4}){3}", done.content.decode())
    assert len(codes) == RecoveryCode.objects.filter(user=anna).count() == 10
    assert enter_api(NEXT).status_code == 401 and enter_api(NEXT, otp=codes[0]).status_code == 200
    again = Client().post("/password", {"permit": permit, "otp": shown(anna)})
    assert b"You have a second factor already" in again.content


def test_a_permit_ends_and_none_can_be_made_up(cluster: Cluster, anna: User, monkeypatch: pytest.MonkeyPatch) -> None:
    enrol(person("boss"))  # else nobody could pass
    ask(cluster)
    (permit,) = re.findall(r'name="permit" value="([^"]+)"', use(link_for(anna)).content.decode())
    for bad in (permit + "x", "", "x"):
        assert Client().post("/password", {"permit": bad, "otp": "1"}).status_code == 404
    later = time.time() + ENROLL_SECONDS + 1
    with monkeypatch.context() as patch:
        patch.setattr("django.core.signing.time.time", lambda: later)
        assert Client().post("/password", {"permit": permit, "otp": "1"}).status_code == 404
    assert Client().post("/password", {"permit": permit, "otp": "1"}).status_code == 200
