"""What the API's description says of settings and mail."""

from __future__ import annotations

from rest_framework import serializers

from sysmgr.api import schema
from sysmgr.api.schema import Answer, answer_of, describe, moment, refine, rule, string, whole

from . import validators
from .access.policy_hooks import LATEST
from .errors import (
    ImageRefused,
    NobodyCouldEnter,
    NoSpaceForImage,
    PasswordNeeded,
    RevisionConflict,
    SettingPending,
    WouldLockOut,
)
from .mail import errors as mail
from .models import OutboxMail
from .outbox_api import MailInput
from .revision_openapi import describe_calls
from .sections import PASSWORD_SPECIAL_CHAR
from .serializers import MailSettingInput, MailTestInput, MailUpdateInput, SettingUpdateInput, TimePolicyInput, ip_range

rule(validators.validate_color, "#[0-9A-Fa-f]{6}")
rule(validators.validate_clock, "([01][0-9]|2[0-3]):[0-5][0-9]")
rule(validators.validate_server_host, r"[A-Za-z0-9_.:%-]+")
rule(validators.validate_http_url, r"https?://[^\s<>\"\\]+")
rule(validators.validate_login_image, r"/media/login-image/[0-9a-f]{64}\.(png|jpeg|webp)")
rule(validators.validate_time_zone, r"[A-Za-z0-9+_/-]+")
rule(ip_range, r"[0-9A-Fa-f.:/ -]+")
refine(SettingUpdateInput, "password_special_char", enum=[PASSWORD_SPECIAL_CHAR])
refine(TimePolicyInput, "time_zone", description="The name of an IANA time zone.")

CONTROL = (
    "cluster_uuid",
    "if_revision",
    "reason",
    "confirm_lockout",
    "confirm_within_seconds",
    "password_special_char",
)
REVISION = {"Sysmgr-Revision": "Revision", "ETag": "Tag"}
MailSetting = answer_of(MailSettingInput, "MailSetting")
Settings = answer_of(SettingUpdateInput, "Settings", without=CONTROL)


class SettingsAndConstant(Settings):  # type: ignore[misc, valid-type]
    """The eight sections, and the characters that count as special in a password."""

    password_special_char = serializers.ChoiceField([PASSWORD_SPECIAL_CHAR])


describe("setting/inspect", answer=SettingsAndConstant, headers=REVISION, not_modified=True)
describe(
    "setting/update",
    request=SettingUpdateInput,
    answer=Settings,
    headers=REVISION,
    errors=[PasswordNeeded, RevisionConflict, SettingPending, WouldLockOut, NobodyCouldEnter],
)
describe("mail_setting/inspect", answer=MailSetting, headers=REVISION, not_modified=True)
describe(
    "mail_setting/update",
    request=MailUpdateInput,
    answer=MailSetting,
    headers=REVISION,
    errors=[PasswordNeeded, RevisionConflict, SettingPending],
)
describe(
    "mail_setting/test",
    request=MailTestInput,
    errors=[PasswordNeeded, *schema.errors_of(mail, "MailPeer")],
)


class LoginImage(Answer):
    """The path that front_style_setting.login_image accepts."""

    login_image = serializers.CharField()


IMAGE = {
    "type": "object",
    "properties": {
        "file": {"type": "string", "contentMediaType": "image/png", "description": "PNG, JPEG or WebP, at most 2 MiB."},
        "cluster_uuid": {"type": "string", "format": "uuid"},
    },
    "required": ["file"],
    "additionalProperties": False,
}
describe("front_style/login_image/upload", form=IMAGE, answer=LoginImage, errors=[ImageRefused, NoSpaceForImage])


class Mail(Answer):
    """A mail of the outbox; `last_stage` and `last_reply` tell of the last try."""

    mail_uuid = serializers.UUIDField()
    state = serializers.ChoiceField(OutboxMail.State.values)
    receiver = string()
    subject = string()
    attempts = whole()
    last_stage = string()
    last_reply = string()
    next_time = moment(allow_null=True)


class WholeMail(Mail):
    """The same with its text, which is null for everybody but administrators."""

    message_id = string()
    create_time = moment()
    end_time = moment(allow_null=True)
    body = string(allow_null=True)


NAME = schema.text("filter_name", "Only mail with this text in its receiver or subject.")
MAIL = schema.uuid("mail_uuid", "The mail.", required=True)
MAIL_ERRORS = [mail.MailNotFound, mail.MailUnderWay, mail.MailAlreadySent]
describe("mail/outbox/list", answer=Mail, many=True, query=[*schema.paging(), NAME])
describe("mail/outbox/inspect", answer=WholeMail, query=[MAIL], errors=[mail.MailNotFound])
describe("mail/outbox/retry", request=MailInput, errors=MAIL_ERRORS)
describe("mail/outbox/remove", request=MailInput, errors=MAIL_ERRORS)
describe_calls(Settings, REVISION)


class Access(Answer):
    """Whether access control lets an address in at a time; `until` is when time alone changes the answer."""

    allowed = serializers.BooleanField()
    rule = string()
    until = moment(allow_null=True)
    enforced = serializers.BooleanField(help_text="False where the doors obey another cluster.")


describe(
    "access_control/explain",
    answer=Access,
    query=[
        schema.text("address", "An IPv4 or IPv6 address.", required=True),
        schema.number("time", "Epoch seconds; now when it is left out.", 0, LATEST),
    ],
)
