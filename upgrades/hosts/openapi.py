"""What the API's description says of probe, repin and adopt; `upgrades.openapi` loads it."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from cluster import errors as cluster
from cluster.openapi import HostFacts
from sysmgr.api.schema import Answer, describe, refine, string, whole
from sysmgr.errors import NoLeader
from upgrades.backup_errors import HostTooSlow
from upgrades.errors import HostUnreachable, StepFailed
from upgrades.ssh_errors import AuthenticationRefused, HostKeyMissing, SshKeyUnusable, SudoRefused

from . import errors
from .serializers import FINGERPRINT, AdoptInput, ProbeInput, RepinInput


class ProbedHost(HostFacts):
    """A host, whether its key is pinned, and the fingerprint of the key ("" for a local folder)."""

    pinned = serializers.BooleanField()
    fingerprint = string()


class ToDo(Answer):
    """One thing that the operator must change himself."""

    message = string()
    message_cn = string()


class AdoptedHost(HostFacts):
    """A host, how much was copied or, as a dry run, would be, and what the operator must change."""

    dry_run = serializers.BooleanField()
    bytes = whole()
    files = whole()
    links = whole()
    steps: Any = ToDo(many=True)


refine(ProbeInput, "accept_fingerprint", pattern=f"^({FINGERPRINT})?$")
refine(RepinInput, "fingerprint", pattern=f"^{FINGERPRINT}$")
refine(AdoptInput, "source_path", pattern=r"^/[^\u0000-\u001f\u007f-\u009f]*$")

FOUND = [cluster.HostNotFound, cluster.ClusterNotFound, cluster.HostIsHeld]
ASKED = [NoLeader, HostUnreachable, HostTooSlow, StepFailed, errors.HostIsForeign]
SSH = [errors.HostKeyDiffers, AuthenticationRefused, HostKeyMissing, SshKeyUnusable, SudoRefused]
describe("host/probe", request=ProbeInput, answer=ProbedHost, errors=[*FOUND, *ASKED, *SSH, errors.FingerprintDiffers])
describe(
    "host/repin", request=RepinInput, answer=ProbedHost, errors=[*FOUND, HostUnreachable, errors.FingerprintDiffers]
)
describe("host/adopt", request=AdoptInput, answer=AdoptedHost, errors=[*FOUND, *ASKED, *SSH, errors.AdoptRefused])
