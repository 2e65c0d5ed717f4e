"""Django's settings of the DRF baseline: what `startproject` and DRF give by default, on the product's tables."""

from __future__ import annotations

from typing import Any

from sysmgr import settings as product

SECRET_KEY = product.SECRET_KEY
ALLOWED_HOSTS = ["*"]
DEBUG = False
INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "rest_framework",
    "sysmgr.accounts",
    "sysmgr.api",
    "sysmgr.audit",
    "sysmgr.events",
    "cluster",
    "settings_app",
    "upgrades",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
TEMPLATES = product.TEMPLATES
ROOT_URLCONF = "benchmarks.baselines.drf"
DATABASES: dict[str, Any] = {"default": {**product.DATABASES["default"], "CONN_HEALTH_CHECKS": False}}
DEFAULT_AUTO_FIELD = product.DEFAULT_AUTO_FIELD
AUTH_USER_MODEL = product.AUTH_USER_MODEL
USE_TZ = True
REST_FRAMEWORK = {"DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"]}
