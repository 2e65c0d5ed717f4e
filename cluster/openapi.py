"""What the API's description says of version, members, clusters, hosts and alerts."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from sysmgr.api import schema
from sysmgr.api.schema import Answer, by_name, describe, moment, refine, string, strings, whole
from sysmgr.events.errors import AlertNotFound
from sysmgr.events.models import Event

from . import errors, imports
from .alerts import AcknowledgeInput
from .models import Host, ServiceType
from .serializers import (
    ClusterInput,
    ClusterNamedInput,
    ClusterUpdateInput,
    HostFieldsInput,
    HostImportInput,
    HostInput,
    HostNamedInput,
    HostUpdateInput,
)


class Version(Answer):
    """`<version>  @python<x.y.z> <os>/<arch>  SRC#<commit>  CMN#<digest of the dependency lock>`."""

    version = serializers.RegexField(r"^\S+  @python\d+\.\d+\.\d+\S* \S+/\S+  SRC#[0-9a-f]{40}  CMN#[0-9a-f]{40}$")


class Members(Answer):
    """`leader` is "" and `ready` false while nobody leads; `candidates` are all live members."""

    leader = string()
    candidates = strings()
    ready = serializers.BooleanField()
    alias_source = string()


class ClusterFacts(Answer):
    """A cluster; the default one is meant where a call names none."""

    cluster_uuid = serializers.UUIDField()
    name = string()
    default = serializers.BooleanField()
    create_time = moment()


class ClusterWithProbes(ClusterFacts):
    """A cluster with its gate ({} is none) and the probe of each service that has one, as cluster/update took them."""

    gate = serializers.DictField()
    probes = by_name(serializers.DictField())


class HostService(Answer):
    """A service of a host and the version that it is known to run."""

    service_type = serializers.ChoiceField(ServiceType.values)
    version = string()
    unmanaged = serializers.BooleanField()
    catch_up = string(help_text="The version that a run brought to others while it left this host out, or empty.")


class HostFacts(Answer):
    """A host; `held_by` is the run that works on it, or the empty string."""

    host_ip = string()
    transport = serializers.ChoiceField(Host.Transport.values)
    root: Any = string()
    services = HostService(many=True)
    labels = strings()
    ssh_port = whole()
    ssh_user = string()
    ssh_sudo = serializers.BooleanField()
    host_key = string()
    maintenance = serializers.BooleanField()
    maintenance_reason = string()
    seen_time = moment(allow_null=True)
    held_by = string()
    create_time = moment()


class Hosts(Answer):
    """A page of hosts; `ssh_public_key` is the manager's own, for authorized_keys on hosts over SSH."""

    total_count = whole()
    ssh_public_key = string()
    list: Any = HostFacts(many=True)


class ImportedRow(Answer):
    """What became of one row of an import, counted from 1."""

    row = whole()
    host_ip = string()
    outcome = serializers.ChoiceField([imports.CREATED, imports.UPDATED, imports.UNCHANGED, imports.REFUSED])
    message = string()
    message_cn = string()


class Imported(Answer):
    """What an import did or, as a dry run, would do."""

    stored = serializers.BooleanField()
    created = whole()
    updated = whole()
    unchanged = whole()
    refused = whole()
    list: Any = ImportedRow(many=True)


class HostRemoved(Answer):
    """What was forgotten with the host; its files stay where they are."""

    host_ip = string()
    forgotten_backups = whole()


class AlertFacts(Answer):
    """One trouble, from its first notice to its end; `cluster_uuid` is "" when it is the installation's."""

    alert_uuid = serializers.UUIDField()
    key = string()
    cluster_uuid = string()
    state = serializers.ChoiceField(["open", "closed"])
    severity = serializers.ChoiceField(Event.Severity.values)
    message = string()
    message_cn = string()
    count = whole()
    open_time = moment()
    last_time = moment()
    close_time = moment(allow_null=True)
    acknowledge_time = moment(allow_null=True)
    acknowledge_by = string()


refine(HostFieldsInput, "host_ip", pattern="^[0-9A-Fa-f.:]{2,45}$")
refine(HostFieldsInput, "ssh_user", pattern=r"^([A-Za-z_][A-Za-z0-9_.-]*\$?)?$")
refine(HostFieldsInput, "host_key", pattern="^([a-z0-9@.-]+ [A-Za-z0-9+/]+={0,2}( [^ ].*)?)?$")
refine(HostFieldsInput, "labels", uniqueItems=True)
refine(HostFieldsInput, "services", uniqueItems=True)
refine(
    ClusterInput,
    "name",
    pattern=r"^[^\s\u0000-\u001f\u007f-\u009f]([^\u0000-\u001f\u007f-\u009f]*[^\s\u0000-\u001f\u007f-\u009f])?$",
)
refine(ClusterUpdateInput, "default", const=True)

NAME = schema.text("filter_name", "Only what has this text in its name.")
HOST = schema.text("host_ip", "The host.", required=True, minLength=1)

describe("version", answer=Version, envelope="version", cluster=False)
describe("member/list", answer=Members, cluster=False)

describe("cluster/list", answer=ClusterFacts, many=True, query=[*schema.paging(), NAME], cluster=False)
describe("cluster/inspect", answer=ClusterWithProbes, errors=[errors.ClusterNotFound])
CLUSTER_ERRORS = schema.errors_of(errors, "Cluster")
describe("cluster/create", request=ClusterInput, answer=ClusterFacts, errors=CLUSTER_ERRORS, cluster=False)
describe("cluster/update", request=ClusterUpdateInput, answer=ClusterFacts, errors=CLUSTER_ERRORS)
describe("cluster/remove", request=ClusterNamedInput, errors=CLUSTER_ERRORS)

HOST_ERRORS = schema.errors_of(errors, "Host")
LABEL = schema.text("label", "Only hosts with this label.")
describe("host/list", answer=Hosts, query=[*schema.paging(), NAME, LABEL])
describe("host/inspect", answer=HostFacts, query=[HOST], errors=[errors.HostNotFound])
describe("host/create", request=HostInput, answer=HostFacts, errors=HOST_ERRORS)
describe("host/update", request=HostUpdateInput, answer=HostFacts, errors=HOST_ERRORS)
describe("host/import", request=HostImportInput, answer=Imported, errors=[errors.HostsRefused, errors.ClusterNotFound])
describe("host/remove", request=HostNamedInput, answer=HostRemoved, errors=HOST_ERRORS)

STATE = schema.text("state", "Only those in this state.", enum=["open", "closed"])
describe("alert/list", answer=AlertFacts, many=True, query=[*schema.paging(), NAME, STATE])
describe("alert/acknowledge", request=AcknowledgeInput, answer=AlertFacts, errors=[AlertNotFound])
