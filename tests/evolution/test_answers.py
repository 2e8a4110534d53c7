"""What an answer says about the message: surely not sent, refused, or perhaps sent (contract §5.5, §1.1)."""

import pytest

from portal.evolution import errors
from portal.evolution.client import EvolutionClient
from portal.evolution.errors import (
    EvolutionError,
    EvolutionFailed,
    EvolutionRejected,
    EvolutionUnavailable,
    EvolutionUnknown,
)
from portal.evolution.types import Webhook
from tests.evolution.conftest import said, send
from tests.evolution.little_servers import (
    Scripted,
)

JWT_KEY = "a-jwt-key-for-tests-of-32-characters-and-more"
WEBHOOK = Webhook(url="https://portal.test/webhooks/whatsapp/evolution/secret", jwt_key=JWT_KEY)


NOT_THERE = {"jid": "5511900000000@s.whatsapp.net", "exists": False, "number": "5511900000000"}
LICENCE = {"error": "service not activated", "code": "LICENSE_REQUIRED", "message": "activate it first"}
ANSWERS = [
    ("key_refused", 401, said(401, "Unauthorized", "Unauthorized"), EvolutionUnavailable, errors.KEY_REFUSED),
    (
        "unknown_instance",
        404,
        said(404, ['The "unit_1" instance does not exist'], "Not Found"),
        EvolutionUnavailable,
        errors.INSTANCE_UNKNOWN,
    ),
    (
        "no_such_row",
        404,
        said(404, ['Instance "unit_1" not found'], "Not Found"),
        EvolutionUnavailable,
        errors.INSTANCE_UNKNOWN,
    ),
    (
        "another_program",
        404,
        said(404, ["Cannot POST /message/sendText/unit_1"], "Not Found"),
        EvolutionUnavailable,
        errors.UNREACHABLE,
    ),
    (
        "too_large",
        413,
        said(413, "request entity too large", "Internal Server Error"),
        EvolutionRejected,
        errors.INVALID_REQUEST,
    ),
    ("no_licence", 503, LICENCE, EvolutionUnavailable, errors.NOT_LICENSED),
    (
        "invalid_body",
        400,
        said(400, [['instance requires property "text"']]),
        EvolutionRejected,
        errors.INVALID_REQUEST,
    ),
    ("not_on_whatsapp", 400, said(400, [NOT_THERE]), EvolutionRejected, errors.NOT_ON_WHATSAPP),
    ("no_text", 400, said(400, ["Text is required"]), EvolutionRejected, errors.INVALID_REQUEST),
    (
        "bad_media",
        400,
        said(400, ["Owned media must be a url or base64"]),
        EvolutionRejected,
        errors.INVALID_REQUEST,
    ),
    (
        "no_file_name",
        400,
        said(400, ["For base64 the file name must be informed."]),
        EvolutionRejected,
        errors.INVALID_REQUEST,
    ),
    (
        "never_connected",
        500,
        said(500, "Cannot read properties of undefined (reading 'onWhatsApp')", "Internal Server Error"),
        EvolutionUnavailable,
        errors.UNIT_AWAY,
    ),
    (
        "not_loaded",
        500,
        said(500, "Cannot read properties of undefined (reading 'sendMessage')", "Internal Server Error"),
        EvolutionUnavailable,
        errors.UNIT_AWAY,
    ),
    (
        "closed_at_the_check",
        500,
        said(500, "Connection Closed", "Internal Server Error"),
        EvolutionUnavailable,
        errors.UNIT_AWAY,
    ),
    (
        "slow_at_the_check",
        500,
        said(500, "Timed Out", "Internal Server Error"),
        EvolutionFailed,
        errors.TIMED_OUT,
    ),
    (
        "closed_at_the_upload",
        500,
        said(500, ["Error: Connection Closed"], "Internal Server Error"),
        EvolutionUnavailable,
        errors.UNIT_AWAY,
    ),
    (
        "fetching_failed",
        500,
        said(500, ["AxiosError: Request failed with status code 404"], "Internal Server Error"),
        EvolutionFailed,
        "preparing_failed",
    ),
    (
        "preparing_failed",
        500,
        said(500, ["Error: Invalid media"], "Internal Server Error"),
        EvolutionFailed,
        "preparing_failed",
    ),
    (
        "closed_at_the_write",
        400,
        said(400, ["Error: Connection Closed"]),
        EvolutionUnavailable,
        errors.UNIT_AWAY,
    ),
    ("no_group", 400, said(400, ["[object Object]"]), EvolutionRejected, errors.INVALID_REQUEST),
    ("slow_at_the_write", 400, said(400, ["Error: Timed Out"]), EvolutionUnknown, errors.TIMED_OUT),
    (
        "any_other_400",
        400,
        said(400, ["TypeError: Cannot read properties of null"]),
        EvolutionUnknown,
        errors.UNCLEAR,
    ),
    (
        "database_after_the_send",
        400,
        said(400, ["PrismaClientKnownRequestError: Timed out fetching a connection"]),
        EvolutionUnknown,
        errors.UNCLEAR,
    ),
    (
        "an_error_that_sounds_like_logout",
        400,
        said(400, ["Error: the database is not connected"]),
        EvolutionUnknown,
        errors.UNCLEAR,
    ),
    (
        "any_other_500",
        500,
        said(500, "Something else", "Internal Server Error"),
        EvolutionUnknown,
        errors.UNCLEAR,
    ),
    (
        "any_other_500_in_a_list",
        500,
        said(500, ["TypeError: x is not a function"], "Internal Server Error"),
        EvolutionUnknown,
        errors.UNCLEAR,
    ),
    ("proxy_502", 502, "<html>Bad Gateway</html>", EvolutionUnknown, errors.UNCLEAR),
    ("proxy_503", 503, "<html>Service Unavailable</html>", EvolutionUnknown, errors.UNCLEAR),
    ("proxy_504", 504, "", EvolutionUnknown, errors.UNCLEAR),
    ("redirect", 307, "", EvolutionUnknown, errors.UNCLEAR),
    ("other_403", 403, said(403, ["not allowed"], "Forbidden"), EvolutionUnknown, errors.UNCLEAR),
    ("empty_400", 400, "", EvolutionUnknown, errors.UNCLEAR),
    ("success_without_key", 201, {"status": "PENDING"}, EvolutionUnknown, errors.UNCLEAR),
    ("success_that_is_no_json", 201, "<html></html>", EvolutionUnknown, errors.UNCLEAR),
]


@pytest.mark.parametrize(
    ("status", "body", "error", "code"), [row[1:] for row in ANSWERS], ids=[row[0] for row in ANSWERS]
)
def test_an_answer_to_a_send_says_whether_it_may_have_left(
    evolution: Scripted, client: EvolutionClient, status: int, body: object, error: type[EvolutionError], code: str
) -> None:
    evolution.answer(status, body)

    with pytest.raises(EvolutionError) as raised:
        send(client)

    assert (type(raised.value), raised.value.code) == (error, code)


def test_a_name_in_use_is_refused_as_such(evolution: Scripted, client: EvolutionClient) -> None:
    evolution.answer(403, said(403, ['This name "unit_1" is already in use.'], "Forbidden"))

    with pytest.raises(EvolutionRejected) as raised:
        client.create_instance("unit_1", webhook=WEBHOOK)

    assert raised.value.code == errors.NAME_IN_USE


def test_a_logout_of_what_is_closed_is_refused_as_such(evolution: Scripted, client: EvolutionClient) -> None:
    evolution.answer(400, said(400, ['The "unit_1" instance is not connected']))

    with pytest.raises(EvolutionRejected) as raised:
        client.log_out("unit_1")

    assert raised.value.code == errors.NOT_CONNECTED


def test_the_detail_of_an_error_is_cut() -> None:
    assert len(EvolutionUnknown(errors.UNCLEAR, "x" * 10_000).detail) == errors.LONGEST_DETAIL


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (said(500, "plain"), ["plain"]),
        (said(400, ["one", "two"]), ["one", "two"]),
        (said(400, [["one", "two"]]), ["one", "two"]),
        ({"status": 400, "message": [["too few"]]}, ["too few"]),
        ({}, []),
        (None, []),
    ],
    ids=["string", "list", "list_in_a_list", "no_response", "empty", "no_json"],
)
def test_every_shape_of_a_message_is_flattened(body: object, expected: list[str]) -> None:
    assert list(errors.texts(body)) == expected


LIMITS = {
    "too_much_at_once": (500, said(500, "rate-overlimit")),
    "too_much_in_a_list": (400, said(400, ["Error: rate-overlimit"])),
    "timelock_by_number": (400, said(400, ["Error: 463"])),
    "timelock_by_code": (400, said(400, ['Error: {"code":463}'])),
    "timelock_by_name": (400, said(400, ["Error: reach-out timelock"])),
    "timelock_as_one_word": (500, said(500, ["Error: REACHOUT_TIMELOCK"])),
}
NO_LIMITS = {
    "a_number_with_463_in_it": (400, said(400, ["Error: 5511946399990 is not there"])),
    "an_address_that_begins_with_463": (400, said(400, ["Error: 4639990002@s.whatsapp.net failed"])),
    "an_id_with_463_in_it": (400, said(400, ["Error: 3EB0463AB463CD463F not saved"])),
    "a_time_in_milliseconds": (400, said(400, ["Error: Timed Out after 1463ms"])),
    "a_load_balancers_own_status": (463, "<html></html>"),
    "not_on_whatsapp": (400, said(400, [{**NOT_THERE, "number": "463"}])),
    "closed": (500, said(500, "Connection Closed")),
    "nothing_said": (400, ""),
}


@pytest.mark.parametrize(("status", "body"), LIMITS.values(), ids=LIMITS)
def test_whatsapps_limits_are_recognised_in_what_evolution_says(
    evolution: Scripted, client: EvolutionClient, status: int, body: object
) -> None:
    evolution.answer(status, body)

    with pytest.raises(EvolutionError) as raised:
        send(client)

    assert raised.value.is_limit


@pytest.mark.parametrize(("status", "body"), NO_LIMITS.values(), ids=NO_LIMITS)
def test_other_troubles_are_no_limits(evolution: Scripted, client: EvolutionClient, status: int, body: object) -> None:
    evolution.answer(status, body)

    with pytest.raises(EvolutionError) as raised:
        send(client)

    assert not raised.value.is_limit
