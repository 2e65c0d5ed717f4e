"""What the API's description says of operations."""

from __future__ import annotations

from sysmgr.api.schema import describe
from sysmgr.management.api import SupportBundleInput

describe("support_bundle/create", request=SupportBundleInput, file="application/gzip")
