"""A unit at a simulated Evolution, and workers that are heard."""

import pytest

from portal.models import Unit
from portal.outbox import owners
from portal.queue import QUEUES
from portal.tenancy import TenantScope
from tests.monitor.diagnose.patient import Patient
from tests.outbox.conftest import evolution, point_to, running_evolution, scope, scripted, unit
from tests.outbox.desk import OWNER, Evolution

__all__ = ["evolution", "point_to", "running_evolution", "scope", "scripted", "unit"]


@pytest.fixture
def workers(database: None) -> None:
    """All of them were heard just now; what is in flight is this process's."""
    for number, queue in enumerate(QUEUES):
        owners.beat(OWNER if number == 0 else owners.new_owner(), queue)


@pytest.fixture
def patient(scope: TenantScope, unit: Unit, evolution: Evolution, workers: None) -> Patient:
    """A unit that was never connected."""
    return Patient(scope, unit, evolution)


@pytest.fixture
def linked(patient: Patient) -> Patient:
    """One whose number is linked, and with which nothing is wrong."""
    return patient.link()
