"""The pages of the sections whose inputs are their columns."""

from __future__ import annotations

from django.contrib import admin

from settings_app.models import (
    FrontStyleSetting,
    LoginPolicy,
    MultiAuthenticationSetting,
    PasswordComplexityPolicy,
    StorageSetting,
)

from .base import SectionAdmin


@admin.register(LoginPolicy)
class LoginPolicyAdmin(SectionAdmin):
    list_display = ["cluster", "login_fail_retry_times", "login_fail_punish_seconds", "token_expire_second"]


@admin.register(PasswordComplexityPolicy)
class PasswordComplexityPolicyAdmin(SectionAdmin):
    list_display = ["cluster", "password_minimum_length", "password_max_expired_age"]


@admin.register(MultiAuthenticationSetting)
class MultiAuthenticationSettingAdmin(SectionAdmin):
    list_display = ["cluster", "enabled", "authentication_type"]


@admin.register(FrontStyleSetting)
class FrontStyleSettingAdmin(SectionAdmin):
    list_display = ["cluster", "login_url", "navigate_color", "main_body_color"]


@admin.register(StorageSetting)
class StorageSettingAdmin(SectionAdmin):
    list_display = ["cluster", "hop_hc"]
