"""What the API's description says of packages, upgrades and backups."""

from __future__ import annotations

from cluster.errors import HostNotFound
from sysmgr.api import schema
from sysmgr.api.schema import describe, refine
from sysmgr.errors import NoLeader

from . import backup_errors as backups
from . import errors
from . import rolling_errors as rolling
from .answers import (
    SERVICES,
    Accepted,
    Backups,
    FiveKeys,
    ItemFacts,
    Plan,
    RunFacts,
    RunWithItems,
    Store,
    TrustedKeyFacts,
    UpgradeEvents,
    Upload,
    VerifiedPackage,
    WholeBackup,
    WholePackage,
)
from .backup_serializers import BackupInput, BackupNameInput, HostServiceInput, RestoreInput, RollbackInput
from .hosts import openapi as hosts
from .models import UpgradeRun
from .package import errors as package
from .package_serializers import PackageInput, TrustAddInput, TrustRemoveInput
from .serializers import ItemInput, RetryInput, RunInput, SkipInput, UpgradeInput, WaiveInput

__all__ = ["hosts"]  # it describes the hosts' own calls

refine(ItemInput, "service_type", enum=SERVICES)
refine(HostServiceInput, "service_type", enum=SERVICES)
refine(TrustAddInput, "public_key", pattern="^[A-Za-z0-9+/]{43}=$")

FORM = {
    "type": "object",
    "properties": {
        "file": {"type": "string", "contentMediaType": "application/gzip", "description": "The package."},
        "cluster_uuid": {"type": "string", "format": "uuid"},
    },
    "required": ["file"],
    "additionalProperties": False,
}
NAMED = schema.text("package_name", "The package.", required=True, minLength=1)
HOST = schema.text("host_ip", "The host.", required=True, minLength=1)
RUN = schema.uuid("upgrade_uuid", "The run.", required=True)
KEY = schema.text("filter_name", "Only keys with this text in their name.")
PACKAGE = schema.text("filter_name", "Only runs of packages with this text in their name.")
STATE = schema.text("state", "Only runs in this state.", enum=list(UpgradeRun.State.values))
ONE_RUN = schema.uuid("upgrade_uuid", "The run; left out, all of the cluster.")
AFTER = schema.number("after", "The last number that was seen.", 0, 999_999_999, 0)
SIZE = schema.number("page_size", "Events a page.", 1, 1000, 100)

describe("upgrade_package/list", answer=Store, envelope="package_list")
describe("upgrade_package/current/inspect", answer=FiveKeys, errors=[errors.NoCurrentPackage])
describe(
    "upgrade_package/upload",
    form=FORM,
    answer=FiveKeys,
    errors=[
        errors.PackageExists,
        errors.NoSpaceForPackage,
        errors.PackageNameWrong,
        *(error for error in schema.errors_of(package, "Package") if error.status == 400),
    ],
)
FILE = schema.text("filter_name", "Only uploads with this text in their file's name.")
describe("upgrade_package/upload/list", answer=Upload, many=True, query=[*schema.paging(), FILE], cluster=False)
describe("upgrade_package/inspect", answer=WholePackage, query=[NAMED], errors=[errors.PackageNotFound])
STORE_ERRORS = [errors.PackageNotFound, errors.PackageInUse]
describe("upgrade_package/verify", request=PackageInput, answer=VerifiedPackage, errors=STORE_ERRORS[:1])
describe("upgrade_package/withdraw", request=PackageInput, errors=STORE_ERRORS[:1])
describe("upgrade_package/reinstate", request=PackageInput, errors=STORE_ERRORS[:1])
describe("upgrade_package/remove", request=PackageInput, errors=STORE_ERRORS)
TRUST_ERRORS = schema.errors_of(errors, "TrustedKey")
describe("upgrade_package/trust/list", answer=TrustedKeyFacts, many=True, query=[*schema.paging(), KEY])
describe("upgrade_package/trust/add", request=TrustAddInput, answer=TrustedKeyFacts, errors=TRUST_ERRORS[1:])
describe("upgrade_package/trust/remove", request=TrustRemoveInput, errors=TRUST_ERRORS[:1])

ASK = [errors.UpgradeRefused, errors.HostHeld, errors.PlanChanged, NoLeader]
describe("compute/version/list", answer=Backups, query=[HOST], errors=[HostNotFound])
describe("compute/version/upgrade", request=UpgradeInput, answer=Accepted, errors=ASK)
describe("upgrade/plan", request=UpgradeInput, answer=Plan, errors=ASK[:2])
describe("upgrade/list", answer=RunFacts, many=True, query=[*schema.paging(), PACKAGE, STATE])
describe("upgrade/inspect", answer=RunWithItems, query=[RUN], errors=[errors.RunNotFound])
SERVICE = schema.text("service_type", "The service.", required=True, enum=SERVICES)
describe("upgrade/item/inspect", answer=ItemFacts, query=[RUN, HOST, SERVICE], errors=[errors.RunNotFound])
describe("upgrade/event/list", answer=UpgradeEvents, query=[ONE_RUN, AFTER, SIZE], errors=[errors.RunNotFound])
CONTROL_ERRORS = [errors.RunNotFound, errors.RunStateWrong, NoLeader]
for verb in ("pause", "cancel"):
    describe(f"upgrade/{verb}", request=RunInput, answer=RunWithItems, errors=CONTROL_ERRORS)
RESUME_ERRORS = [*CONTROL_ERRORS, errors.GoingOnRefused]
describe("upgrade/resume", request=RunInput, answer=RunWithItems, errors=RESUME_ERRORS)
RETRY_ERRORS = [errors.NothingToRetry, errors.OnlyUnproven, errors.GoingOnRefused, errors.HostHeld]
describe(
    "upgrade/retry",
    request=RetryInput,
    answer=RunWithItems,
    errors=[*CONTROL_ERRORS, *RETRY_ERRORS, rolling.OnlyDefinite, rolling.HostUnderWay],
)
describe("upgrade/skip", request=SkipInput, answer=RunWithItems, errors=[*CONTROL_ERRORS[:2], rolling.HostUnderWay])
describe("upgrade/waive", request=WaiveInput, answer=RunWithItems, errors=CONTROL_ERRORS[:2])

BACK = [HostNotFound, backups.BackupNotFound]
START = [*BACK, backups.BackupRefused, backups.BackupDamaged, errors.HostHeld, NoLeader]
ASKED = [errors.HostUnreachable, backups.BackupDamaged, backups.HostTooSlow]
describe("compute/version/inspect", answer=WholeBackup, query=[HOST, NAMED], errors=BACK)
describe("compute/version/backup", request=BackupInput, answer=Accepted, errors=START)
describe("compute/version/restore", request=RestoreInput, answer=Accepted, errors=START)
describe("compute/version/verify", request=BackupNameInput, answer=WholeBackup, errors=[*BACK, *ASKED])
describe(
    "compute/version/remove", request=BackupNameInput, errors=[*BACK, backups.BackupInUse, backups.BackupIsWayBack]
)
describe(
    "upgrade/rollback",
    request=RollbackInput,
    answer=RunWithItems,
    errors=[
        errors.RunNotFound,
        backups.RollbackRefused,
        backups.RunUnderWay,
        rolling.HostUnderWay,
        errors.HostHeld,
        NoLeader,
    ],
)
