"""Users with a role, and the tokens they hold (only a digest of each is stored)."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _


class Role(models.TextChoices):
    """What a user may do; contract §3."""

    ADMINISTRATOR = "administrator", _("administrator")
    OPERATOR = "operator", _("operator")
    AUDITOR = "auditor", _("auditor")


class UserManager(BaseUserManager["User"]):
    """Makes users; Django's `createsuperuser` goes through it too."""

    def create_user(self, user_name: str, password: str | None = None, **fields: Any) -> User:
        """Create a user with a hashed password (none: nobody can log in with it)."""
        user = self.model(user_name=user_name, **fields)
        user.set_password(password)
        user.full_clean()
        user.save(using=self._db)
        return user

    def create_superuser(self, user_name: str, password: str | None = None, **fields: Any) -> User:
        """Create an administrator."""
        return self.create_user(user_name, password, **{**fields, "role": Role.ADMINISTRATOR})


class User(AbstractBaseUser):
    """A person who may come in. Permissions follow from the role, in the admin as in the API."""

    uuid = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user_name = models.CharField(_("user name"), max_length=64, unique=True)
    role = models.CharField(_("role"), max_length=16, choices=Role, default=Role.AUDITOR)
    email = models.EmailField(_("e-mail address"), blank=True)
    is_active = models.BooleanField(_("enabled"), default=True)
    create_time = models.DateTimeField(_("created"), auto_now_add=True)

    objects = UserManager()
    USERNAME_FIELD = "user_name"
    EMAIL_FIELD = "email"

    class Meta:
        verbose_name = _("user")
        verbose_name_plural = _("users")
        constraints = [models.CheckConstraint(condition=Q(role__in=Role.values), name="user_role_known")]

    def __str__(self) -> str:
        return self.user_name

    @property
    def is_staff(self) -> bool:
        """Every enabled user may enter the admin; what he sees there follows from the role."""
        return self.is_active

    @property
    def is_superuser(self) -> bool:
        """Whether the user is an administrator."""
        return self.role == Role.ADMINISTRATOR

    def has_perm(self, perm: str, obj: models.Model | None = None) -> bool:
        """Decide a Django permission `app.action_model` from the role (contract §3)."""
        if not self.is_active:
            return False
        if self.role == Role.ADMINISTRATOR:
            return True
        app, _, action = perm.partition(".")
        if not action.startswith("view_"):
            return False
        return self.role == Role.AUDITOR or app not in ("accounts", "audit")

    def has_perms(self, perm_list: Any, obj: models.Model | None = None) -> bool:
        """Whether all of the permissions are given."""
        return all(self.has_perm(perm, obj) for perm in perm_list)

    def has_module_perms(self, app_label: str) -> bool:
        """Whether the app shows up in the admin."""
        return self.has_perm(f"{app_label}.view_any")


class Token(models.Model):
    """A log-in's token: random, and only its SHA-256 digest is kept."""

    uuid = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="tokens", verbose_name=_("user"))
    digest = models.CharField(_("digest"), max_length=64, unique=True, editable=False)
    source = models.CharField(_("source address"), max_length=64)
    create_time = models.DateTimeField(_("created"))
    last_used_time = models.DateTimeField(_("last used"))
    expire_time = models.DateTimeField(_("expires"))

    class Meta:
        verbose_name = _("log-in token")
        verbose_name_plural = _("log-in tokens")
        constraints = [
            models.CheckConstraint(
                condition=Q(expire_time__gt=models.F("create_time")), name="token_expires_after_creation"
            )
        ]

    def __str__(self) -> str:
        return str(self.uuid)
