"""The admin door of the API's kept answers: which requests were made once, never what they answered."""

from __future__ import annotations

from django.contrib import admin

from sysmgr.admin import ReadOnlyAdmin

from .models import IdempotencyKey


@admin.register(IdempotencyKey)
class IdempotencyKeyAdmin(ReadOnlyAdmin[IdempotencyKey]):
    list_display = ["key", "user", "path", "status", "create_time"]
    list_select_related = ["user"]
    search_fields = ["key", "path", "user__user_name"]
    ordering = ["-create_time"]
    hidden = ("answer",)
