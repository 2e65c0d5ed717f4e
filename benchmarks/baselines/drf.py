"""A plain DRF application: token authentication, model serializers, five queries; what one writes first."""

from __future__ import annotations

import hashlib
from typing import Any

from django.urls import path
from django.utils import timezone
from rest_framework import exceptions, serializers
from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import IsAuthenticated
from rest_framework.response import Response
from rest_framework.views import APIView

from cluster.models import Cluster, Host, HostService
from settings_app.models import SnmpTarget
from settings_app.sections import SECTIONS
from sysmgr.accounts.models import Token
from sysmgr.crypto import SecretField
from upgrades.models import UpgradePackage


class TokenAuthentication(BaseAuthentication):
    """As rest_framework.authtoken does it: the token, and then its user."""

    def authenticate(self, request: Any) -> tuple[Any, Any]:
        """Queries: token, user."""
        clear = request.headers.get("Authorization", "").removeprefix("Bearer ")
        token = Token.objects.filter(digest=hashlib.sha256(clear.encode()).hexdigest()).first()
        if token is None or token.expire_time < timezone.now() or not token.user.is_active:
            raise exceptions.AuthenticationFailed
        return token.user, token


class Mask(serializers.CharField):
    """A secret as its mask."""

    def to_representation(self, value: Any) -> str:
        """Return the mask."""
        return str(value)


class Base(serializers.ModelSerializer):  # type: ignore[type-arg]
    """A section without its cluster."""

    serializer_field_mapping = {**serializers.ModelSerializer.serializer_field_mapping, SecretField: Mask}


def section(model: Any) -> Any:
    meta = type("Meta", (), {"model": model, "exclude": ["cluster"]})
    return type(f"{model.__name__}Serializer", (Base,), {"Meta": meta})


class TargetSerializer(Base):
    """One trap target."""

    class Meta:
        model = SnmpTarget
        exclude = ["id", "settings", "ordinal"]


SERIALIZERS = {name: section(model) for name, model in SECTIONS.items()}
ACCESSORS = {n: m._meta.get_field("cluster").remote_field.get_accessor_name() for n, m in SECTIONS.items()}


class Protected(APIView):
    """What both views share."""

    authentication_classes = [TokenAuthentication]
    permission_classes = [IsAuthenticated]

    def answer(self, data: Any) -> Response:
        """Wrap the data."""
        return Response(
            {"scode": 0, "desc": "", "message": "success", "message_cn": "成功", "stack": None, "data": data}
        )


class Settings(Protected):
    """Queries: token, user, cluster, sections, targets."""

    def get(self, request: Any) -> Response:
        """Answer the eight sections."""
        cluster = Cluster.objects.get(default=True)
        whole = Cluster.objects.select_related(*ACCESSORS.values()).get(pk=cluster.pk)
        data = {name: SERIALIZERS[name](getattr(whole, accessor)).data for name, accessor in ACCESSORS.items()}
        targets = SnmpTarget.objects.filter(settings=cluster.pk)
        data["snmp_settings"] = {"snmps": TargetSerializer(targets, many=True).data}
        return self.answer(data)


class PackageSerializer(serializers.ModelSerializer):  # type: ignore[type-arg]
    """A package."""

    class Meta:
        model = UpgradePackage
        fields = ["package_name", "md5", "version", "update_time", "size", "sha256", "signed_by", "release_notes"]


class ServiceSerializer(serializers.ModelSerializer):  # type: ignore[type-arg]
    """A service of a host."""

    class Meta:
        model = HostService
        fields = ["service_type", "version"]


class HostSerializer(serializers.ModelSerializer):  # type: ignore[type-arg]
    """A host with its services."""

    type_version = ServiceSerializer(source="services", many=True)
    upgrade_package_list = serializers.SerializerMethodField()

    class Meta:
        model = Host
        fields = ["host_ip", "type_version", "upgrade_package_list"]

    def get_upgrade_package_list(self, host: Host) -> list[str]:
        """Return the names of all packages."""
        names: list[str] = self.context["names"]
        return names


class Packages(Protected):
    """Queries: token, user, packages, hosts, services."""

    def get(self, request: Any) -> Response:
        """Answer packages and hosts."""
        cluster = request.query_params["cluster_uuid"]
        packages = list(UpgradePackage.objects.filter(cluster=cluster))
        hosts = Host.objects.filter(cluster=cluster).prefetch_related("services").order_by("host_ip")
        context = {"names": [package.package_name for package in packages]}
        listed = HostSerializer(hosts, many=True, context=context).data
        return self.answer(
            {
                "package_list": PackageSerializer(packages, many=True).data,
                "host_list": [host["host_ip"] for host in listed],
                "list": listed,
            }
        )


urlpatterns = [
    path("v1/system/setting/inspect", Settings.as_view()),
    path("v1/system/upgrade_package/list", Packages.as_view()),
]
