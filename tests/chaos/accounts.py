"""What became of every message, by the portal's rows on one side and by what left the simulator on the other."""

from collections import Counter
from dataclasses import dataclass

from tests.running.stack import Stack
from tests.running.waiting import until

GONE = ("sent", "delivered", "read")
SETTLE_S = 60


@dataclass(frozen=True)
class Account:
    """Text -> status in the portal, text -> how often it left, and text -> how many rows it has."""

    statuses: dict[str, str]
    left: Counter[str]
    rows: Counter[str]

    @property
    def doubled(self) -> list[str]:
        return [text for text, number in self.rows.items() if number > 1]

    @property
    def left_twice(self) -> list[str]:
        return [text for text, times in self.left.items() if times > 1]

    @property
    def said_gone_but_never_left(self) -> list[str]:
        return [text for text, status in self.statuses.items() if status in GONE and not self.left[text]]

    @property
    def left_but_not_said(self) -> list[str]:
        return [text for text, status in self.statuses.items() if status not in GONE and self.left[text]]

    @property
    def not_at_an_end(self) -> list[str]:
        """Not gone and not in doubt either: still on the way, or given up."""
        return [text for text, status in self.statuses.items() if status not in (*GONE, "unconfirmed")]

    @property
    def summary(self) -> str:
        counts = sorted(Counter(self.statuses.values()).items())
        return ", ".join(f"{count} {status}" for status, count in counts)


def settle(stack: Stack, texts: list[str]) -> Account:
    """Wait until every message has come to its end and every echo was heard, as long as that may take."""

    def is_settled() -> bool:
        account = take_account(stack, texts)
        return not (account.not_at_an_end or account.left_but_not_said)

    until(is_settled, "end of all messages", within_s=SETTLE_S)
    account = take_account(stack, texts)
    assert account.doubled == []
    return account


def take_account(stack: Stack, texts: list[str]) -> Account:
    wanted = set(texts)
    left = Counter(text for text in stack.simulator.sent_texts() if text in wanted)
    rows = stack.rows.outbound(texts)
    return Account(dict(rows), left, Counter(text for text, _ in rows))
