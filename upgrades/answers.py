"""What calls about packages, upgrades and backups answer, key by key, for the API's description."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from cluster.models import ServiceType
from sysmgr.api.schema import Answer, by_name, moment, string, strings, whole
from sysmgr.events.models import Event

from .models import TusUpload, UpgradeItem, UpgradeRun

SERVICES = ServiceType.values


class FiveKeys(Answer):
    """A package or a backup, in the five documented keys."""

    package_name = string()
    md5 = serializers.RegexField("^[0-9a-f]{32}$")
    version = string()
    update_time = moment()
    size = whole()


class ListedPackage(FiveKeys):
    """A package of the store."""

    sha256 = serializers.RegexField("^[0-9a-f]{64}$")
    signed_by = string()
    service_types = serializers.ListField(child=serializers.ChoiceField(SERVICES))
    minimum_version = by_name(string())
    release_notes = string()


class Payload(Answer):
    """What a package brings for one service."""

    service_type = serializers.ChoiceField(SERVICES)
    minimum_version = string()
    files = whole()
    size = whole()


class WholePackage(ListedPackage):
    """All that is known of a package; `usable` tells whether a new run may use it."""

    usable = serializers.BooleanField()
    unusable_reason = string()
    unusable_reason_cn = string()
    withdrawn = serializers.BooleanField()
    withdrawn_time = moment(allow_null=True)
    withdrawn_reason = string()
    fingerprint = string()
    create_time = moment()
    payloads = Payload(many=True)


class Finding(Answer):
    """One check of a stored package and what came of it."""

    check = string()
    ok = serializers.BooleanField()
    message = string()
    message_cn = string()


class VerifiedPackage(WholePackage):
    """A package with what the comparison of its file found."""

    findings = Finding(many=True)


class ListedHost(Answer):
    """What a host runs, in the order cloud, compute, storage, and the packages that can upgrade some of it now."""

    host_ip = string()
    type_version = by_name(string())
    upgrade_package_list = strings()


class Store(Answer):
    """Packages, newest version first (null when there is none), and hosts."""

    package_list = ListedPackage(many=True, allow_null=True)
    host_list = strings()
    list = ListedHost(many=True)


class WholeBackup(FiveKeys):
    """All that is known of a backup; `upgrade_uuid` is the run that made it, or the empty string."""

    service_type = serializers.ChoiceField(SERVICES)
    upgrade_uuid = string()
    sha256 = serializers.RegexField("^[0-9a-f]{64}$")
    verified_time = moment(allow_null=True)


class Upload(Answer):
    """A resumable upload of the caller; once all of it is here, `state` says what became of it."""

    upload_uuid = serializers.UUIDField()
    cluster_uuid = serializers.UUIDField()
    file_name = string()
    length = whole()
    offset = whole()
    state = serializers.ChoiceField(TusUpload.State.values)
    scode = whole()
    message = string()
    message_cn = string()
    package_name = string()
    create_time = moment()
    expire_time = moment()


class Backups(Answer):
    """The complete backups of a host, oldest first."""

    list = FiveKeys(many=True)


class TrustedKeyFacts(Answer):
    """A key whose packages are accepted; `cluster_uuid` is null for one of all clusters."""

    name = string()
    fingerprint = string()
    public_key = string()
    cluster_uuid = serializers.UUIDField(allow_null=True)
    expire_time = moment(allow_null=True)
    expired = serializers.BooleanField()
    create_time = moment()


class Result(Answer):
    """One service of one host in a run."""

    host_ip = string()
    service_type = serializers.ChoiceField(SERVICES)
    from_version = string()
    to_version = string()
    package_name = string()
    state = serializers.ChoiceField(UpgradeItem.State.values)
    scode = whole()
    message = string()
    message_cn = string()


class Accepted(Answer):
    """What this call did: a run for the whole list. The outcome is in upgrade/inspect."""

    upgrade_uuid = serializers.UUIDField()
    success = whole()
    fail: Any = whole()
    results = Result(many=True)


class Progress(Answer):
    """How many items have come to their end, of how many; payload bytes, and those that were sent. `seconds_left` is
    null before anything is known of how long changes take here, and while the run is paused."""

    ended = whole()
    total = whole()
    bytes = whole()
    sent = whole()
    seconds_left = whole(allow_null=True)


class StepFacts(Answer):
    """One call of the host-side script: `code` is null where the host did not answer, `rate` in bytes a second,
    `text` what a failed one said, without secrets."""

    task = serializers.UUIDField()
    step = string()
    begin_time = moment()
    seconds = serializers.FloatField(min_value=0)
    code = whole(allow_null=True)
    sent = whole()
    rate = whole()
    text = string()


class ItemFacts(Result):
    """An item of a run with its steps, oldest first; `left_out` older ones are not shown. `reason` is a key of the
    closed list in docs/upgrades.md; one that is `definite` is tried again only with force."""

    upgrade_uuid = serializers.UUIDField()
    reason = string()
    definite = serializers.BooleanField()
    next_step = string()
    next_step_cn = string()
    skip_reason = string()
    begin_time = moment(allow_null=True)
    end_time = moment(allow_null=True)
    soak_until = moment(allow_null=True)
    payload_bytes = whole()
    sent = whole()
    left_out = whole()
    steps = StepFacts(many=True)


class RunFacts(Answer):
    """A run; `next_step` says what ends a pause or mends a failure."""

    upgrade_uuid = serializers.UUIDField()
    state = serializers.ChoiceField(UpgradeRun.State.values)
    paused_by = serializers.ChoiceField(UpgradeRun.PausedBy.values, allow_blank=True)
    next_step = string()
    next_step_cn = string()
    kind = serializers.ChoiceField(UpgradeRun.Kind.values)
    origin_uuid = string(help_text="The run whose changes this one takes back, or the empty string.")
    scode = whole()
    message = string()
    message_cn = string()
    author = string()
    reason = string()
    options = serializers.DictField(help_text="As they were asked for.")
    create_time = moment()
    end_time = moment(allow_null=True)


class RunWithItems(RunFacts):
    """A run with its items; `counts` has the number of items in each state that occurs."""

    counts = by_name(whole())
    progress = Progress()
    rollback_uuid = string(help_text="The newest run that takes this one back, or the empty string.")
    results = Result(many=True)


class Step(Answer):
    """One item of a plan."""

    host_ip = string()
    service_type = serializers.ChoiceField(SERVICES)
    from_version = string()
    to_version = string()
    package_name = string()


class Place(Answer):
    """One service of one host."""

    host_ip = string()
    service_type = serializers.ChoiceField(SERVICES)


class Precheck(Answer):
    """A named check that the run begins with; one that is `waivable` can be passed over for a host, with a reason."""

    name = string()
    blocking = serializers.BooleanField()
    waivable = serializers.BooleanField()
    message = string()
    message_cn = string()


class Plan(Answer):
    """What an upgrade would do, from stored facts; `seconds` is null before the first run that succeeded."""

    fingerprint = serializers.RegexField("^[0-9a-f]{64}$")
    order = Step(many=True)
    batches = serializers.ListField(child=Place(many=True))
    prechecks = Precheck(many=True)
    bytes = whole()
    seconds = whole(allow_null=True)
    facts_time = moment()


class UpgradeEvent(Answer):
    """One line of the stream; `number` orders it."""

    number = whole()
    time = moment()
    kind = string()
    severity = serializers.ChoiceField(Event.Severity.values)
    subject = serializers.UUIDField()
    host_ip = string()
    service_type = string()
    message = string()
    message_cn = string()
    data: Any = serializers.DictField()


class UpgradeEvents(Answer):
    """Events after a number; `last_number` is the next `after`, `total_count` counts all after `after`."""

    total_count = whole()
    last_number = whole()
    list = UpgradeEvent(many=True)
