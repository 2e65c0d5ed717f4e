"""The sections that guard the log-in: policy, passwords, second factor."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import F, Q

from sysmgr.errors import bilingual

from .base import Section, between, bounded


class LoginPolicy(Section):
    """How many wrong log-ins lock, for how long, and how long a token lives (contract §2)."""

    login_fail_retry_times = bounded(5, 0, 100)
    login_fail_punish_seconds = bounded(300, 0, 86400)
    token_expire_second = bounded(43200, 60, 31536000)

    class Meta:
        verbose_name = "login policy"
        verbose_name_plural = "login policies"
        constraints = [
            between("login_fail_retry_times", 0, 100),
            between("login_fail_punish_seconds", 0, 86400),
            between("token_expire_second", 60, 31536000),
        ]


class PasswordComplexityPolicy(Section):
    """What a password must look like and how long it lives, in days."""

    password_expire_force_modify = models.BooleanField(default=False)
    password_max_expired_age = bounded(0, 0, 3650)
    password_expired_warn_age = bounded(0, 0, 3650)
    password_expired_warn_windows_popup = models.BooleanField(default=False)
    password_expired_warn_email_notify = models.BooleanField(default=False)
    password_must_include_special_char = models.BooleanField(default=False)
    password_minimum_length = bounded(12, 1, 128)
    notify_user_password_when_create = models.BooleanField(default=False)

    class Meta:
        verbose_name = "password policy"
        verbose_name_plural = "password policies"
        constraints = [
            between("password_max_expired_age", 0, 3650),
            between("password_expired_warn_age", 0, 3650),
            between("password_minimum_length", 1, 128),
            models.CheckConstraint(
                condition=Q(password_max_expired_age=0)
                | Q(password_expired_warn_age__lte=F("password_max_expired_age")),
                name="password_warn_within_age",
            ),
        ]

    def clean(self) -> None:
        """Refuse a warning that would come before the password was set."""
        if 0 < self.password_max_expired_age < self.password_expired_warn_age:
            text = bilingual("must not exceed password_max_expired_age", "不得大于 password_max_expired_age")
            raise ValidationError({"password_expired_warn_age": ValidationError(text, code="warn_age")})


class MultiAuthenticationSetting(Section):
    """Whether a second factor is asked for, and which."""

    enabled = models.BooleanField(default=False)
    authentication_type = models.CharField(max_length=8, blank=True, default="", choices=[("totp", "totp")])

    class Meta:
        verbose_name = "multi-factor log-in"
        verbose_name_plural = "multi-factor log-in"
        constraints = [
            models.CheckConstraint(
                condition=Q(authentication_type__in=["", "totp"]), name="multi_authentication_type_known"
            ),
            models.CheckConstraint(
                condition=Q(enabled=False) | ~Q(authentication_type=""),
                name="multi_authentication_needs_type",
            ),
        ]

    def clean(self) -> None:
        """Refuse a second factor that is switched on but not chosen."""
        if self.enabled and not self.authentication_type:
            text = bilingual("must be chosen while enabled is true", "启用时必须选择类型")
            raise ValidationError({"authentication_type": ValidationError(text, code="required")})
