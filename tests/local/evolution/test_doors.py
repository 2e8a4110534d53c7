"""Who is let in, in which order, and how a refusal looks."""

import pytest

EVENTS = (
    "APPLICATION_STARTUP,QRCODE_UPDATED,MESSAGES_SET,MESSAGES_UPSERT,MESSAGES_EDITED,MESSAGES_UPDATE,MESSAGES_DELETE,"
    "SEND_MESSAGE,SEND_MESSAGE_UPDATE,CONTACTS_SET,CONTACTS_UPSERT,CONTACTS_UPDATE,PRESENCE_UPDATE,CHATS_SET,"
    "CHATS_UPSERT,CHATS_UPDATE,CHATS_DELETE,GROUPS_UPSERT,GROUP_UPDATE,GROUP_PARTICIPANTS_UPDATE,CONNECTION_UPDATE,"
    "LABELS_EDIT,LABELS_ASSOCIATION,CALL,TYPEBOT_START,TYPEBOT_CHANGE_STATUS,REMOVE_INSTANCE,LOGOUT_INSTANCE,"
    "INSTANCE_CREATE,INSTANCE_DELETE,STATUS_INSTANCE"
)
CREATE = "/instance/create"
SEND = "/message/sendText/shop"
WEBHOOK = "/webhook/set/shop"
NUMBERS = "/chat/whatsappNumbers/shop"
URL = "http://receiver.test/hook"
UNAUTHORIZED = {"status": 401, "error": "Unauthorized", "response": {"message": "Unauthorized"}}


@pytest.mark.parametrize(
    ("method", "path", "key", "status", "message"),
    [
        ("GET", "/instance/connectionState/nobody", None, 404, ['The "nobody" instance does not exist']),
        ("POST", "/message/sendText/nobody", "wrong", 404, ['The "nobody" instance does not exist']),
        ("GET", "/instance/connectionState/shop", None, 401, "Unauthorized"),
        ("GET", "/instance/connectionState/shop", "wrong", 401, "Unauthorized"),
        ("POST", "/message/sendText/shop", "wrong", 401, "Unauthorized"),
        ("GET", "/instance/fetchInstances", None, 401, "Unauthorized"),
        ("GET", "/instance/fetchInstances?instanceName=other", "shop-token", 401, "Unauthorized"),
        ("GET", "/instance/connectionState/other", "shop-token", 401, "Unauthorized"),
        ("POST", "/verify-creds", "shop-token", 401, "Unauthorized"),
        ("GET", "/nope?x=1", None, 404, ["Cannot GET /nope?x=1"]),
        ("GET", "/instance/create", None, 404, ["Cannot GET /instance/create"]),
        ("PUT", "/instance/restart/shop", None, 404, ["Cannot PUT /instance/restart/shop"]),
        ("GET", "/instance/connectionState/shop/x", None, 404, ["Cannot GET /instance/connectionState/shop/x"]),
    ],
)
def test_a_request_is_stopped_at_the_first_door(world, method, path, key, status, message):
    world.create("shop", token="shop-token")
    world.create("other")

    answer = world.call(method, path, key=key)

    assert answer.status_code == status
    assert answer.get_json()["response"]["message"] == message


def test_a_name_in_use_is_told_without_a_key_and_a_bad_body_is_not(world):
    world.create("shop")

    taken = world.call("POST", CREATE, {"instanceName": "shop"}, key=None)
    nameless = world.call("POST", CREATE, {}, key=None)
    free = world.call("POST", CREATE, {"instanceName": "free", "qrcode": "yes"}, key=None)

    assert (taken.status_code, taken.get_json()["error"]) == (403, "Forbidden")
    assert taken.get_json()["response"]["message"] == ['This name "shop" is already in use.']
    assert nameless.get_json()["response"]["message"] == ['This name "undefined" is already in use.']
    assert free.get_json() == UNAUTHORIZED


@pytest.mark.parametrize("path", ["/instance/connectionState/shop", "/instance/connectionState/shop/"])
def test_the_token_of_an_instance_opens_its_own_routes(world, path):
    world.create("shop", token="shop-token")

    assert world.call("GET", path, key=" shop-token ").status_code == 200


def test_the_query_reaches_another_instance(world):
    world.create("shop", token="shop-token")
    world.create("other")

    answer = world.call("GET", "/instance/connectionState/shop?instanceName=other", key="shop-token")

    assert answer.get_json() == {"instance": {"instanceName": "other", "state": "close"}}


def test_broken_json_is_a_bad_request_called_internal_server_error(world):
    answer = world.http.post(CREATE, data='{"instanceName": ', content_type="application/json")

    assert answer.status_code == 400
    assert answer.get_json()["error"] == "Internal Server Error"
    assert isinstance(answer.get_json()["response"]["message"], str)


def test_a_body_of_another_type_counts_as_empty(world):
    world.create("shop")

    answer = world.http.post(CREATE, data='{"instanceName": "x"}', content_type="text/plain")

    assert answer.status_code == 403


@pytest.mark.parametrize(
    ("path", "body", "messages"),
    [
        (SEND, {}, ['instance requires property "number"', 'instance requires property "text"']),
        (SEND, {"number": 5511999990002, "text": "oi"}, ["Invalid format"]),
        (SEND, {"number": "5511999990002", "text": 1}, ["text is not of a type(s) string"]),
        (SEND, {"number": "5511999990002", "text": "oi", "delay": "1200"}, ["Enter a value in milliseconds"]),
        (SEND, {"number": "5511999990002", "text": "oi", "delay": 1.5}, ["Enter a value in milliseconds"]),
        (SEND, {"number": "1", "text": "oi", "quoted": {"key": {}}}, ['quoted.key requires property "id"']),
        (SEND, {"number": "1", "textMessage": {"text": "oi"}}, ['instance requires property "text"']),
        (
            SEND,
            {"number": "1", "text": "oi", "mentioned": ["x"]},
            ['"mentioned" must be an array of numeric strings'],
        ),
        (WEBHOOK, {"enabled": True, "url": URL}, ['instance requires property "webhook"']),
        (WEBHOOK, {"webhook": {"url": URL, "events": []}}, ['webhook requires property "enabled"']),
        (WEBHOOK, {"webhook": {"enabled": False}}, ['webhook requires property "url"']),
        (WEBHOOK, {"webhook": {"enabled": False, "url": ""}}, ['The "url" cannot be empty']),
        (
            WEBHOOK,
            {"webhook": {"enabled": "true", "url": URL, "events": []}},
            ["webhook.enabled is not of a type(s) boolean"],
        ),
        (
            WEBHOOK,
            {"webhook": {"enabled": True, "url": URL, "events": ["GROUPS_UPDATE"]}},
            [f"webhook.events[0] is not one of enum values: {EVENTS}"],
        ),
        (
            CREATE,
            {"instanceName": "x", "qrcode": "yes", "number": "+55"},
            ['number does not match pattern "^\\\\d+[\\\\.@\\\\w-]+"', "qrcode is not of a type(s) boolean"],
        ),
        (CREATE, {"instanceName": ""}, ['The "instanceName" cannot be empty']),
        (
            "/settings/set/shop",
            {"groupsIgnore": True},
            [
                'instance requires property "rejectCall"',
                'instance requires property "alwaysOnline"',
                'instance requires property "readMessages"',
                'instance requires property "readStatus"',
                'instance requires property "syncFullHistory"',
            ],
        ),
    ],
)
def test_an_invalid_body_is_refused_with_a_list_in_a_list(world, path, body, messages):
    world.create("shop")

    answer = world.call("POST", path, body)

    assert answer.get_json() == {"status": 400, "error": "Bad Request", "response": {"message": [messages]}}
    assert answer.status_code == 400


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"numbers": []}, "numbers does not meet minimum length of 1"),
        ({"numbers": ["5511999990002", "5511999990002"]}, "numbers contains duplicate item"),
        ({"numbers": [5511999990002]}, '"numbers" must be an array of numeric strings'),
        ({"numbers": "5511999990002"}, "numbers is not of a type(s) array"),
    ],
)
def test_looking_numbers_up_refuses_without_the_envelope(world, body, message):
    world.create("shop")

    answer = world.call("POST", NUMBERS, body)

    assert answer.status_code == 400
    assert answer.get_json() == {"status": 400, "error": "Bad Request", "message": [[message]]}


def test_the_crashes_of_evolution_are_kept(world):
    world.create("shop")

    without_events = world.call("POST", WEBHOOK, {"webhook": {"enabled": True, "url": URL}})
    without_numbers = world.call("POST", NUMBERS, {})

    assert without_events.status_code == 500
    assert without_events.get_json()["response"]["message"] == (
        "Cannot read properties of undefined (reading 'length')"
    )
    assert (without_numbers.status_code, without_numbers.get_json()) == (400, {})


def test_the_root_tells_the_version_and_needs_no_key(make_world):
    answer = make_world(version="2.4.0-rc2").call("GET", "/", key=None)

    assert (answer.status_code, answer.get_json()["version"]) == (200, "2.4.0-rc2")


def test_verify_creds_knows_the_global_key(world):
    assert world.call("POST", "/verify-creds").get_json() == {"status": 200, "message": "Credentials are valid"}
