"""The sections that guard the log-in: policy, passwords, second factor."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from sysmgr.errors import bilingual

from .base import Section, between, bounded


class LoginPolicy(Section):
    """How many wrong log-ins lock, for how long, and how long a token lives (contract §2)."""

    login_fail_retry_times = bounded(
        _("failed log-ins before the lock"), 5, 0, 100, _("0 to 100; 0: failed log-ins never lock.")
    )
    login_fail_punish_seconds = bounded(
        _("seconds that the lock holds"), 300, 0, 86400, _("0 to 86400; so long without a failure also starts again.")
    )
    token_expire_second = bounded(
        _("seconds that a log-in lasts"),
        43200,
        60,
        31536000,
        _("60 to 31536000, from the log-in on, however much it is used."),
    )

    class Meta:
        verbose_name = _("log-in policy")
        verbose_name_plural = _("log-in policy")
        constraints = [
            between("login_fail_retry_times", 0, 100),
            between("login_fail_punish_seconds", 0, 86400),
            between("token_expire_second", 60, 31536000),
        ]


class PasswordComplexityPolicy(Section):
    """What a password must look like and how long it lives, in days."""

    password_expire_force_modify = models.BooleanField(
        _("an expired password must be changed"),
        default=False,
        help_text=_("Off: it works on, with a notice at each log-in."),
    )
    password_max_expired_age = bounded(_("days until a password expires"), 0, 0, 3650, _("0 to 3650; 0: never."))
    password_expired_warn_age = bounded(
        _("days of warning before that"), 0, 0, 3650, _("0 to 3650, not more than the days until it expires.")
    )
    password_expired_warn_windows_popup = models.BooleanField(_("warn by a notice after log-in"), default=False)
    password_expired_warn_email_notify = models.BooleanField(
        _("warn by mail"), default=False, help_text=_("Once a day in the days of warning.")
    )
    password_must_include_special_char = models.BooleanField(
        _("a special character is required"),
        default=False,
        help_text=_("At least one of the characters that inspect shows as password_special_char."),
    )
    password_minimum_length = bounded(_("minimum length of a password"), 12, 1, 128, _("1 to 128 characters."))
    notify_user_password_when_create = models.BooleanField(
        _("mail new users a link"),
        default=False,
        help_text=_("A one-time link to set a password, never the password itself."),
    )

    class Meta:
        verbose_name = _("password policy")
        verbose_name_plural = _("password policy")
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

    enabled = models.BooleanField(_("ask for a second factor"), default=False)
    authentication_type = models.CharField(
        _("kind of second factor"),
        max_length=8,
        blank=True,
        default="",
        choices=[("totp", _("one-time code (TOTP)"))],
        help_text=_("Must be chosen while a second factor is asked for."),
    )

    class Meta:
        verbose_name = _("multi-factor log-in")
        verbose_name_plural = _("multi-factor log-in")
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
