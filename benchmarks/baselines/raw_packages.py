"""A raw cursor and orjson: packages and hosts as the product lists them, no token, no framework."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

import orjson
import psycopg2

_local = threading.local()


def _cursor() -> Any:
    if not hasattr(_local, "connection"):
        _local.connection = psycopg2.connect(os.environ["DATABASE_URL"])
        _local.connection.autocommit = True
    return _local.connection.cursor()


def package_list(cluster: str) -> dict[str, Any]:
    """Read packages, hosts and services; which package fits which host is left out."""
    cursor = _cursor()
    cursor.execute(
        "SELECT package_name, md5, version, extract(epoch FROM update_time)::bigint, size, sha256, signed_by, "
        "release_notes FROM upgrades_upgradepackage WHERE cluster_id = %s ORDER BY version DESC",
        [cluster],
    )
    keys = ("package_name", "md5", "version", "update_time", "size", "sha256", "signed_by", "release_notes")
    packages = [dict(zip(keys, row, strict=True)) for row in cursor.fetchall()]
    names = [package["package_name"] for package in packages]
    cursor.execute(
        "SELECT h.host_ip, s.service_type, s.version FROM cluster_host h LEFT JOIN cluster_hostservice s "
        "ON s.host_id = h.id WHERE h.cluster_id = %s ORDER BY h.host_ip",
        [cluster],
    )
    hosts: dict[str, dict[str, Any]] = {}
    for host_ip, service, version in cursor.fetchall():
        entry = hosts.get(host_ip)
        if entry is None:
            entry = hosts[host_ip] = {"host_ip": host_ip, "type_version": {}, "upgrade_package_list": names}
        if service:
            entry["type_version"][service] = version
    return {"package_list": packages, "host_list": list(hosts), "list": list(hosts.values())}


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    """Answer the list in the envelope."""
    cluster = parse_qs(environ["QUERY_STRING"])["cluster_uuid"][0]
    body = {"scode": 0, "desc": "", "message": "success", "message_cn": "成功", "messageCn": "", "stack": None}
    content = orjson.dumps({**body, "data": package_list(cluster)})
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(content)))])
    return [content]
