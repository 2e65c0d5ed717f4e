"""The strict input of settings: types and bounds come from the models, nested shapes are stated here."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from sysmgr.api.fields import (
    StrictBooleanField,
    StrictCharField,
    StrictChoiceField,
    StrictIntegerField,
    StrictListField,
    StrictModelSerializer,
    StrictSerializer,
    StrictUUIDField,
)
from sysmgr.errors import bilingual

from . import models
from .models.base import Section
from .sections import PASSWORD_SPECIAL_CHAR, columns
from .validators import MAX_RANGES, parse_ip_range, validate_clock, validate_server_host, validate_time_zone


def _section(section: type[Section]) -> type[StrictModelSerializer]:
    """Return the serializer of a flat section; every key is optional."""
    meta = type("Meta", (), {"model": section, "fields": columns(section), "extra_kwargs": {}})
    body = {"Meta": meta, "__doc__": f"Input of {section.__name__}."}
    return type(f"{section.__name__}Input", (StrictModelSerializer,), body)


LoginPolicyInput = _section(models.LoginPolicy)
PasswordComplexityPolicyInput = _section(models.PasswordComplexityPolicy)
MailSettingInput = _section(models.MailSetting)
MultiAuthenticationSettingInput = _section(models.MultiAuthenticationSetting)
FrontStyleSettingInput = _section(models.FrontStyleSetting)
StorageSettingInput = _section(models.StorageSetting)


def ip_range(value: str) -> None:
    """Accept an address, a CIDR or a range a-b."""
    try:
        parse_ip_range(value)
    except ValueError:
        text = bilingual("must be an address, a CIDR or a range a-b", "必须是地址、CIDR 或 a-b 范围")
        raise serializers.ValidationError(text) from None


class IpRangesInput(StrictSerializer):
    """The list of address ranges."""

    ranges = StrictListField(child=StrictCharField(validators=[ip_range]), max_length=MAX_RANGES, required=False)


class IpPolicyInput(StrictSerializer):
    """Access by address."""

    ip_ranges = IpRangesInput(required=False)
    whitelist = StrictBooleanField(required=False)
    enabled = StrictBooleanField(required=False)


class WindowInput(StrictSerializer):
    """One time window; all keys are needed."""

    days = StrictListField(
        child=StrictIntegerField(min_value=1, max_value=7), min_length=1, max_length=7, allow_empty=False
    )
    start = StrictCharField(validators=[validate_clock])
    end = StrictCharField(validators=[validate_clock])


class TimePolicyInput(StrictSerializer):
    """Access by time; on a stored policy any key may be left out, the whole is checked after the merge."""

    enabled = StrictBooleanField(required=False)
    time_zone = StrictCharField(required=False, validators=[validate_time_zone])
    whitelist = StrictBooleanField(required=False)
    windows = StrictListField(child=WindowInput(), required=False, max_length=1000)


class AccessControlPolicyInput(StrictSerializer):
    """The access control section."""

    ip_access_control_policy = IpPolicyInput(required=False)
    time_access_control_policy = TimePolicyInput(required=False, allow_null=True)


class SnmpTargetInput(StrictSerializer):
    """One trap target; all keys are needed."""

    name = StrictCharField()
    enabled = StrictBooleanField()
    version = StrictChoiceField(["v2c", "v3"])
    host = StrictCharField(validators=[validate_server_host])
    port = StrictIntegerField(min_value=1, max_value=65535)
    community = StrictCharField(allow_blank=True)
    user = StrictCharField(allow_blank=True)
    auth_protocol = StrictChoiceField(["sha", "sha256", "sha512"], allow_blank=True)
    auth_password = StrictCharField(allow_blank=True)
    priv_protocol = StrictChoiceField(["aes", "aes256"], allow_blank=True)
    priv_password = StrictCharField(allow_blank=True)


class SnmpSettingsInput(StrictSerializer):
    """The SNMP section."""

    snmps = StrictListField(child=SnmpTargetInput(), max_length=16, allow_null=True, required=False)


class SettingUpdateInput(StrictSerializer):
    """Endpoint 7: any section, any keys inside."""

    login_policy = LoginPolicyInput(required=False)
    password_complexity_policy = PasswordComplexityPolicyInput(required=False)
    mail_setting = MailSettingInput(required=False)
    multi_authentication_setting = MultiAuthenticationSettingInput(required=False)
    access_control_policy = AccessControlPolicyInput(required=False)
    front_style_setting = FrontStyleSettingInput(required=False)
    storage_setting = StorageSettingInput(required=False)
    snmp_settings = SnmpSettingsInput(required=False)
    password_special_char = StrictCharField(required=False)
    cluster_uuid = StrictUUIDField(required=False)
    if_revision = StrictIntegerField(required=False, min_value=0)
    reason = StrictCharField(required=False, allow_blank=True)
    confirm_lockout = StrictBooleanField(required=False)
    confirm_within_seconds = StrictIntegerField(required=False, min_value=1, max_value=3600)

    def validate_password_special_char(self, value: str) -> str:
        """Accept the constant, so that an answer of inspect can be sent back."""
        if value != PASSWORD_SPECIAL_CHAR:
            raise serializers.ValidationError(bilingual("is a constant and can't be changed", "为常量，不可修改"))
        return value


class MailUpdateInput(MailSettingInput):  # type: ignore[misc, valid-type]
    """Endpoint 4: the nine mail keys at top level."""

    cluster_uuid = StrictUUIDField(required=False)
    if_revision = StrictIntegerField(required=False, min_value=0)
    reason = StrictCharField(required=False, allow_blank=True)

    class Meta:
        model = models.MailSetting
        fields: Any = (*columns(models.MailSetting), "cluster_uuid", "if_revision", "reason")


class MailTestInput(MailSettingInput):  # type: ignore[misc, valid-type]
    """Endpoint 5: the nine mail keys and the receiver."""

    receiver_email = serializers.EmailField(max_length=255)
    cluster_uuid = StrictUUIDField(required=False)

    class Meta:
        model = models.MailSetting
        fields: Any = (*columns(models.MailSetting), "receiver_email", "cluster_uuid")

    def validate_receiver_email(self, value: str) -> str:
        """Keep DRF's coercion of numbers out."""
        if not isinstance(self.initial_data.get("receiver_email"), str):
            raise serializers.ValidationError(bilingual("must be a string", "必须是字符串"))
        return value
