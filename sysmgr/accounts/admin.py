"""The admin door of accounts: users without their password, tokens without their digest."""

from __future__ import annotations

from django.contrib import admin

from sysmgr.admin import ReadOnlyAdmin

from .models import Token, User


@admin.register(User)
class UserAdmin(ReadOnlyAdmin[User]):
    list_display = ["user_name", "role", "email", "is_active", "last_login", "create_time"]
    list_filter = ["role", "is_active"]
    search_fields = ["user_name", "email"]
    ordering = ["user_name"]
    hidden = ("password",)


@admin.register(Token)
class TokenAdmin(ReadOnlyAdmin[Token]):
    list_display = ["user", "source", "create_time", "last_used_time", "expire_time"]
    list_display_links = ["source"]
    list_select_related = ["user"]
    search_fields = ["user__user_name", "source"]
    ordering = ["-last_used_time"]
    hidden = ("digest",)
