"""What a run of the simulator is told at its start, and what can be changed while it runs."""

from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from local.evolution.crowd import CrowdPlan
from local.evolution.versions import Style


@dataclass(frozen=True)
class SimulatorSettings:
    """Hold the waits and limits of one run; the defaults are those of a stock Evolution 2.3.6."""

    api_key: str
    state_file: Path | None = None
    version: str = "2.3.6"
    server_url: str | None = None
    is_token_exposed: bool = True
    has_demo_chat: bool = False
    create_wait_s: float = 5.0
    connect_wait_s: float = 2.0
    first_qr_s: float = 0.6
    qr_interval_s: float = 45.0
    qr_limit: int = 30
    pairing_s: float = 0.5
    removal_s: float = 0.2
    webhook_timeout_s: float = 30.0
    retry_initial_s: float = 5.0
    retry_max_s: float = 300.0
    retry_attempts: int = 10
    receipt_delay_s: float | None = 0.8
    read_delay_s: float | None = 2.5
    send_latency_s: float = 0.15
    loading_s: float = 0.5
    crowd: CrowdPlan = CrowdPlan()


class Addressing(StrEnum):
    """Name how WhatsApp speaks of a person: by number, by anonymous id, or by that id alone."""

    NUMBER = "pn"
    LID = "lid"
    LID_ONLY = "lidOnly"


class MediaFailure(StrEnum):
    """Name why a file cannot be had from Evolution: it does not know the message, or WhatsApp has no file any more."""

    NOT_FOUND = "notFound"
    DOWNLOAD = "download"


class FaultMode(StrEnum):
    """Name how a send can go wrong."""

    ANSWER = "answer"
    HANG = "hang"
    RESET = "reset"


@dataclass(frozen=True)
class Fault:
    """Describe what a send answers instead of its success; a text as the body stands for a page of a proxy."""

    mode: FaultMode
    status: int = 500
    body: object = None
    is_after_send: bool = False


@dataclass
class Switches:
    """Hold what PUT /simulator/settings may change during a run."""

    version: str
    create_wait_s: float
    connect_wait_s: float
    send_latency_s: float
    receipt_delay_s: float | None
    read_delay_s: float | None
    respond_after_send_s: float = 0.0
    hang_s: float = 600.0
    media_retry_s: float = 5.0
    addressing: Addressing | None = None
    media_failure: MediaFailure | None = None
    next_faults: deque[Fault] = field(default_factory=deque)

    @property
    def style(self) -> Style:
        """Give the way in which the version that runs writes messages."""
        return Style(self.version)

    @classmethod
    def of(cls, settings: SimulatorSettings) -> "Switches":
        """Begin with what the run was started with."""
        return cls(
            version=settings.version,
            create_wait_s=settings.create_wait_s,
            connect_wait_s=settings.connect_wait_s,
            send_latency_s=settings.send_latency_s,
            receipt_delay_s=settings.receipt_delay_s,
            read_delay_s=settings.read_delay_s,
        )
