"""The cluster's gate: what must say yes before each host of a run is begun."""

from __future__ import annotations

import logging

from cluster.models import Cluster

from . import probes
from .unusable import Unusable

PATIENCE = 5.0  # seconds: one lost packet pauses nothing
log = logging.getLogger("sysmgr.engine")


async def closed(cluster: Cluster) -> str:
    """Return why no further host may be begun; empty where the gate is open, or there is none.

    A gate that can't be asked is closed: nobody can tell whether the cluster can miss a host. It asks nobody in the
    database and takes at most PATIENCE and twice the probe's `seconds`.
    """
    if not cluster.gate:
        return ""
    try:
        return await probes.ask_until(PATIENCE, cluster.gate, str(cluster.pk))
    except Unusable as error:
        return f"the gate can't be asked: {error}"
    except Exception as error:  # whatever went wrong, nobody said yes
        log.exception("the gate of %s", cluster.pk)
        return f"the gate can't be asked: {type(error).__name__}"
