"""Users: a person with a role, and what is known about the password."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from sysmgr import env
from sysmgr.accounts import hashing


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
    password_change_time = models.DateTimeField(_("password set"), default=timezone.now)
    # Set where a password must be changed whatever its age: one that was given by somebody else, or one that a rule
    # which was tightened later no longer accepts (seen at a log-in, when it is at hand in clear).
    must_change_password = models.BooleanField(_("must change the password"), default=False)
    # The hash of the password before this one: it may not come back.
    last_password = models.CharField(_("password before"), max_length=128, blank=True, editable=False)
    # The hash of the password's MD5, for the clients that send no other (SYSMGR_LEGACY_LOGIN); empty: not marked.
    legacy_password = models.CharField(_("password for old clients"), max_length=128, blank=True, editable=False)
    warned_on = models.DateField(_("last warned by mail"), null=True, editable=False)

    objects = UserManager()
    USERNAME_FIELD = "user_name"
    EMAIL_FIELD = "email"

    class Meta:
        verbose_name = _("user")
        verbose_name_plural = _("users")
        constraints = [models.CheckConstraint(condition=Q(role__in=Role.values), name="user_role_known")]

    def __str__(self) -> str:
        return self.user_name

    def set_password(self, raw_password: str | None) -> None:
        """Set another password (None: one that nobody can know); the one before it is remembered by its hash."""
        if self.has_usable_password():
            self.last_password = self.password
        if raw_password is None:
            self.set_unusable_password()
        else:
            self.password, self._password = hashing.of(raw_password), raw_password
        self.password_change_time = timezone.now()
        self.must_change_password = False
        self.legacy_password = hashing.of_md5(raw_password) if env.LEGACY_LOGIN and raw_password else ""

    def check_password(self, raw_password: str | None) -> bool:
        """Tell whether the password is right. Unlike Django's, it never counts a stronger hash as a new password."""
        return raw_password is not None and hashing.matches(raw_password, self.password)

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
