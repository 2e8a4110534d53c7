"""What the next send answers instead of its success: as ordered one by one, or as the fault plan draws."""

from dataclasses import dataclass

from local.evolution.errors import ApiError
from local.evolution.faults import ANSWER_FAULTS, FaultName, Plan
from local.evolution.settings import Fault, FaultMode
from local.evolution.simulator import Simulator

PROXY_PAGE = (
    "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body><h1>502 Bad Gateway</h1></body>\r\n</html>\r\n"
)


@dataclass(frozen=True)
class Failure:
    """Hold a fault of one send; the name is missing when it was ordered for just this one."""

    fault: Fault
    name: FaultName | None = None


def next_failure(simulator: Simulator) -> Failure | None:
    """Take the fault that was ordered for this send, else draw one; None lets it succeed."""
    try:
        return Failure(simulator.switches.next_faults.popleft())
    except IndexError:
        name = simulator.faults.one_of(ANSWER_FAULTS)
    return Failure(fault_of(name, simulator.faults.plans[name]), name) if name else None


def fault_of(name: FaultName, plan: Plan) -> Fault:
    """Describe what a planned fault looks like. Source: contract §5.5 of `docs/evolution.md`."""
    is_after_send = bool(plan.is_after_send)
    faults = {
        FaultName.HANG: Fault(FaultMode.HANG, is_after_send=is_after_send),
        FaultName.SERVER_ERROR: SERVER_ERRORS[plan.variant or "connectionClosed"],
        FaultName.TIMED_OUT: answer(400, ["Error: Timed Out"], is_after_send=is_after_send),
        FaultName.DATABASE_ERROR: answer(400, ["PrismaClientKnownRequestError: (text)"], is_after_send=True),
        FaultName.RATE_OVERLIMIT: answer(400, ["Error: rate-overlimit"]),
        FaultName.RESET_BEFORE: Fault(FaultMode.RESET),
        FaultName.RESET_AFTER: Fault(FaultMode.RESET, is_after_send=True),
    }
    return faults[name]


def answer(status: int, message: object, *, is_after_send: bool = False) -> Fault:
    """Describe an answer in the envelope of Evolution."""
    return Fault(FaultMode.ANSWER, status, ApiError(status, message).body, is_after_send)


SERVER_ERRORS = {
    "connectionClosed": answer(500, "Connection Closed"),
    "timedOut": answer(500, "Timed Out"),
    "preparing": answer(500, ["Error: Media upload failed on all hosts"]),
    "proxy": Fault(FaultMode.ANSWER, 502, PROXY_PAGE),
    "proxyAfterSend": Fault(FaultMode.ANSWER, 502, PROXY_PAGE, is_after_send=True),
}
