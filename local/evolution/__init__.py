"""A simulated Evolution API v2 with simulated phones, for laptops, tests and training.

It follows the published behaviour of Evolution API 2.3.6 and knows nothing of the portal.
"""

from local.evolution.app import create_simulator, serve
from local.evolution.settings import SimulatorSettings
from local.evolution.simulator import Simulator

__all__ = ["Simulator", "SimulatorSettings", "create_simulator", "serve"]
