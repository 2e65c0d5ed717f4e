"""Django's settings: what never changes is written here, what an operator chooses comes from `env`."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import django_stubs_ext
import drf_spectacular_sidecar

from sysmgr import env

django_stubs_ext.monkeypatch()

BASE_DIR = env.BASE_DIR
DATA_DIR = env.DATA_DIR
DEBUG = False
SECRET_KEY = env.key_file("django-secret")

_public = urlsplit(env.PUBLIC_URL)
ALLOWED_HOSTS = sorted({"localhost", "127.0.0.1", "[::1]", env.BIND_HOST, env.ADDRESS, _public.hostname or ""} - {""})
CSRF_TRUSTED_ORIGINS = [f"{_public.scheme}://{_public.netloc}"]
CSRF_FAILURE_VIEW = "sysmgr.pages.cross_site"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = env.USES_TLS
SESSION_COOKIE_SAMESITE = "Strict"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'none'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "font-src": ["'self'"],
        "connect-src": ["'self'"],
        "form-action": ["'self'"],
        "base-uri": ["'none'"],
        "frame-ancestors": ["'none'"],
    }
}
# Only with the operator's own certificate: a browser that remembers HSTS refuses to pass a self-signed one.
SECURE_HSTS_SECONDS = 30 * 24 * 3600 if env.TLS_CERT_FILE else 0
SILENCED_SYSTEM_CHECKS = [
    "security.W005",  # other names below this host's are not ours to bind to TLS
    "security.W008",  # the port speaks either TLS or plain http: there is nothing to redirect from
    "security.W021",  # nor is the browsers' preload list
]

INSTALLED_APPS = [
    "unfold.apps.BasicAppConfig",  # the theme's templates stand before those that they replace
    "sysmgr.apps.SysmgrAdminConfig",
    "sysmgr",  # before Django's accounts: its commands replace two of theirs
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
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
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "sysmgr.csp.PolicyMiddleware",
    "sysmgr.api.request_id.RequestIdMiddleware",
    "sysmgr.api.old_clients.Always200Middleware",
    "sysmgr.api.gate.GateMiddleware",
    "sysmgr.pages.PageSessionMiddleware",
    "sysmgr.pages.PageLocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "sysmgr.pages.PageAuthenticationMiddleware",
    "sysmgr.pages.PageMessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "sysmgr.urls"
WSGI_APPLICATION = "sysmgr.wsgi.application"
APPEND_SLASH = True

TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

DATABASES = {"default": env.database()}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_USER_MODEL = "accounts.User"
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.ScryptPasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "sysmgr.accounts.password_rules.MinimumLength"},
    {"NAME": "sysmgr.accounts.password_rules.SpecialCharacter"},
    {"NAME": "sysmgr.accounts.password_rules.NotCommon"},
    {"NAME": "sysmgr.accounts.password_rules.NotReused"},
    {"NAME": "sysmgr.accounts.passwords.FirstPasswordFile"},
]
LOGIN_REDIRECT_URL = "admin:index"

LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("zh-hans", "简体中文")]
LANGUAGE_COOKIE_SECURE = env.USES_TLS
LANGUAGE_COOKIE_HTTPONLY = True
LANGUAGE_COOKIE_SAMESITE = "Strict"
TIME_ZONE = "UTC"  # Also the process's TZ: logs and stored times are UTC; people's zone is SYSMGR_TIME_ZONE.
USE_TZ = True
USE_I18N = True

STATIC_URL = "static/"
STATIC_ROOT = DATA_DIR / "static"
# Of the sidecar's files only those that /v1/docs loads.
_sidecar = Path(drf_spectacular_sidecar.__file__).parent / "static" / "drf_spectacular_sidecar"
STATICFILES_DIRS = [("swagger-ui", _sidecar / "swagger-ui-dist")]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedStaticFilesStorage"},
}

UNFOLD: dict[str, Any] = {
    "SITE_URL": None,
    "SITE_SYMBOL": "dns",
    "SHOW_VIEW_ON_SITE": False,
    "SIDEBAR": {"navigation": "sysmgr.navigation.groups"},
    "ACCOUNT": {"navigation": "sysmgr.navigation.own_pages"},
}

# The API bounds its own bodies (contract §1); uploads are streamed to quarantine by their own handler.
DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024

REST_FRAMEWORK: dict[str, Any] = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["sysmgr.api.authentication.GateAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": [],
    "DEFAULT_PARSER_CLASSES": ["sysmgr.api.parsers.StrictJSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["sysmgr.api.renderer.EnvelopeRenderer"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "sysmgr.api.negotiation.OneRenderer",
    "DEFAULT_SCHEMA_CLASS": "sysmgr.api.autoschema.AutoSchema",
    "EXCEPTION_HANDLER": "sysmgr.api.handler.exception_handler",
    "URL_FORMAT_OVERRIDE": None,
    "UNAUTHENTICATED_USER": None,
}

SPECTACULAR_SETTINGS: dict[str, Any] = {
    "OAS_VERSION": "3.1.0",
    "POSTPROCESSING_HOOKS": [],  # enums stay where they are used
    "ENFORCE_NON_BLANK_FIELDS": True,
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "SORT_OPERATION_PARAMETERS": False,
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"}},
    "filters": {"unexpected": {"()": "sysmgr.api.request_id.Unexpected"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": "WARNING"},
    "loggers": {
        "django": {"handlers": ["stderr"], "level": "WARNING", "propagate": False},
        # 4xx and typed 5xx are answers, not incidents; an unhandled exception is logged with its traceback.
        "django.request": {"handlers": ["stderr"], "level": "ERROR", "propagate": False, "filters": ["unexpected"]},
        # Said once, by our own handler, with the variable to set.
        "django.security.DisallowedHost": {"handlers": [], "propagate": False},
        "sysmgr": {"handlers": ["stderr"], "level": "INFO", "propagate": False},
    },
}
