"""The production modules in their simulated realm, loaded once for all tests here."""

from __future__ import annotations

import pytest

from tests.simulation.realm import Realm, loaded


@pytest.fixture(scope="session")
def realm() -> Realm:
    return loaded()
