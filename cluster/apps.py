"""The app configuration of `cluster`."""

from django.apps import AppConfig


class ClusterConfig(AppConfig):
    name = "cluster"
