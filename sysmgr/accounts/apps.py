"""The app configuration of `sysmgr.accounts`."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "sysmgr.accounts"
    label = "accounts"
