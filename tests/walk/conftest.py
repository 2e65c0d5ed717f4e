"""What the walks share: the demo, as the tests of upgrades have it."""

from tests.upgrades.conftest import demo_cluster, unstored

__all__ = ["demo_cluster", "unstored"]
