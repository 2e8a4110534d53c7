"""How fast a unit's campaigns may go: when the next message may leave, and when the last one will have left."""

from portal.pacing.forecast import Forecast, forecast, most_on
from portal.pacing.rules import WARM_UP, WARM_UP_ENDS, Pace, Slot, next_slot

__all__ = ["WARM_UP", "WARM_UP_ENDS", "Forecast", "Pace", "Slot", "forecast", "most_on", "next_slot"]
