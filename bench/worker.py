"""The portal's own worker, which also notes in the file that BENCH_STARTS names when each send began."""

import os
import sys
import time
from typing import Any

from portal import worker
from portal.evolution.client import EvolutionClient
from portal.evolution.types import SentMessage
from portal.outbox import relay
from portal.outbox.lanes import ClaimedMessage

_call = relay._call


def main() -> int:
    notes = open(os.environ["BENCH_STARTS"], "a", buffering=1)  # noqa: SIM115

    def call(client: EvolutionClient, message: ClaimedMessage, *rest: Any) -> SentMessage:
        notes.write(f"{message.unit_id} {time.time()}\n")
        return _call(client, message, *rest)

    relay._call = call
    return worker.main()


if __name__ == "__main__":
    sys.exit(main())
