"""Many calls at once with one `clientMessageId`: one message, sent once, and the same answer for all."""

import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import requests

from tests.chaos.accounts import settle
from tests.running.stack import Stack

CALLERS = 200


def test_one_client_message_id_sent_by_200_callers_at_once_is_one_message(
    stack: Stack, measured: Callable[[str], None]
) -> None:
    text = "an order that two hundred callers confirm at once"
    body = {"phone": "+5511977776100", "message": text, "clientMessageId": "order-200", "unitId": "centro"}
    together = Barrier(CALLERS)

    def call(_: int) -> tuple[int, dict[str, Any], float]:
        together.wait(30)
        began_at = time.monotonic()
        headers = {"Authorization": f"Bearer {stack.api.token}"}
        answer = requests.post(f"{stack.api.url}/messages", json=body, headers=headers, timeout=60)
        return answer.status_code, answer.json(), time.monotonic() - began_at

    with ThreadPoolExecutor(CALLERS) as callers:
        answers = list(callers.map(call, range(CALLERS)))
    account = settle(stack, [text])

    seconds = sorted(took_s for _, _, took_s in answers)
    measured(
        f"{CALLERS} calls at once with one clientMessageId: all answered within {seconds[-1]:.1f} s, half of them "
        f"within {seconds[CALLERS // 2]:.1f} s; 1 message, sent once"
    )
    assert Counter((status, body.get("deduplicated")) for status, body, _ in answers) == {
        (202, False): 1,
        (200, True): CALLERS - 1,
    }
    assert len({body["messageId"] for _, body, _ in answers}) == 1
    # Which `settle` has counted in the rows as well: a text with two rows fails there.
    assert account.left == Counter([text])
