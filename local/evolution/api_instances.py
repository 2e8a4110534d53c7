"""Routes of Evolution for instances, webhooks and settings."""

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response, g, request

from local.evolution.errors import ApiError, to_response, unauthorized
from local.evolution.guards import (
    given_key,
    loaded_only,
    not_in_memory,
    on_instance,
    parse_body,
    refuse_wrong_key,
    simulator,
    valid_body,
)
from local.evolution.instances import INTEGRATION
from local.evolution.model import Instance, State
from local.evolution.validation import CREATE, SETTINGS, webhook_fields

blueprint = Blueprint("api_instances", __name__)
blueprint.before_request(parse_body)

FAILED = {"error": True, "message": "[object Object]"}
WEBHOOK_ECHO = {
    "webhookUrl": "url",
    "webhookHeaders": "headers",
    "webhookByEvents": "byEvents",
    "webhookBase64": "base64",
}


@blueprint.get("/")
def welcome() -> Response:
    version = simulator().switches.version
    return to_response(
        {
            "status": 200,
            "message": "Welcome to the Evolution API, it is working!",
            "version": version,
            "clientName": "evolution_simulated",
            "manager": f"{request.host_url}manager",
            "documentation": "https://doc.evolution-api.com",
            "whatsappWebVersion": "2.3000.1028000000",
        }
    )


@blueprint.post("/verify-creds")
def verify_creds() -> Response:
    refuse_wrong_key()
    return to_response({"status": 200, "message": "Credentials are valid"})


@blueprint.post("/instance/create")
def create() -> Response:
    simulated = simulator()
    simulated.instances.refuse_taken(g.body.get("instanceName"))
    refuse_wrong_key()
    body = valid_body(CREATE)
    instance = simulated.instances.create(body)
    answer = created_json(instance, body)
    if body.get("qrcode") is True:
        simulated.messages.pause(simulated.switches.create_wait_s)
        answer["qrcode"] = instance.socket.qr_json()
    return to_response(answer, 201)


@blueprint.get("/instance/connect/<name>")
@on_instance
@loaded_only(lambda _: to_response(FAILED))
def connect(instance: Instance) -> Response:
    if instance.is_open:
        return to_response(state_json(instance))
    if instance.socket.state is State.CLOSE:
        simulated = simulator()
        simulated.sockets.start(instance, request.args.get("number"))
        simulated.messages.pause(simulated.switches.connect_wait_s)
    return to_response(instance.socket.qr_json())


@blueprint.get("/instance/connectionState/<name>")
@on_instance
def connection_state(instance: Instance) -> Response:
    if instance.is_being_removed or not instance.is_loaded:
        return to_response({"instance": {"instanceName": instance.name}})
    return to_response(state_json(instance))


@blueprint.get("/instance/fetchInstances")
def fetch_instances() -> Response:
    is_global = given_key() == simulator().settings.api_key
    listed = [one for one in simulator().instances.list_all() if one.is_loaded]
    mine = listed if is_global else [one for one in listed if one.token == given_key()]
    wanted = [one for one in mine if is_asked_for(one)]
    if not wanted and not is_global:
        raise unauthorized()
    if not wanted and asked_for():
        raise ApiError(404, [f'Instance "{asked_for()}" not found'])
    return to_response([instance_json(one) for one in wanted])


@blueprint.post("/instance/restart/<name>")
@on_instance
@loaded_only(lambda _: to_response(FAILED))
def restart(instance: Instance) -> Response:
    state = instance.socket.state
    if state is State.CLOSE:
        return to_response(FAILED)
    answer = state_json(instance) if state is State.OPEN else instance.socket.qr_json()
    simulator().sockets.reconnect(instance)
    return to_response(answer)


@blueprint.delete("/instance/logout/<name>")
@on_instance
@loaded_only(lambda _: done("Instance logged out"))
def logout(instance: Instance) -> Response:
    if instance.socket.state is not State.CLOSE:
        simulator().sockets.log_out(instance, f"Log out instance: {instance.name}")
        return done("Instance logged out")
    if simulator().switches.style.is_latest:
        return done("Instance was already disconnected")
    raise ApiError(400, [f'The "{instance.name}" instance is not connected'])


@blueprint.delete("/instance/delete/<name>")
@on_instance
def delete(instance: Instance) -> Response:
    simulator().instances.delete(instance)
    return done("Instance deleted")


@blueprint.post("/webhook/set/<name>")
@on_instance
@loaded_only(lambda _: not_in_memory("setWebhook"))
def set_webhook(instance: Instance) -> Response:
    fields = webhook_fields(simulator().switches.style.event_names)
    webhook = simulator().instances.set_webhook(instance, valid_body(fields)["webhook"])
    return to_response(webhook.to_json(instance.id), 201)


@blueprint.get("/webhook/find/<name>")
@on_instance
@loaded_only(lambda _: to_response(None))
def find_webhook(instance: Instance) -> Response:
    return to_response(instance.webhook.to_json(instance.id) if instance.webhook else None)


@blueprint.post("/settings/set/<name>")
@on_instance
@loaded_only(lambda _: not_in_memory("setSettings"))
def set_settings(instance: Instance) -> Response:
    sent = simulator().instances.set_settings(instance, valid_body(SETTINGS))
    return to_response({"settings": {"instanceName": instance.name, "settings": sent}}, 201)


@blueprint.get("/settings/find/<name>")
@on_instance
@loaded_only(lambda _: to_response(None))
def find_settings(instance: Instance) -> Response:
    return to_response(instance.settings)


def done(message: str) -> Response:
    """Answer a logout or a delete."""
    return to_response({"status": "SUCCESS", "error": False, "response": {"message": message}})


def state_json(instance: Instance) -> dict[str, object]:
    """Write the state in memory."""
    return {"instance": {"instanceName": instance.name, "state": instance.socket.state}}


def created_json(instance: Instance, body: Mapping[str, Any]) -> dict[str, object]:
    """Write the answer of create, echoing only the webhook keys that were given."""
    given = body.get("webhook") or {}
    return {
        "instance": {
            "instanceName": instance.name,
            "instanceId": instance.id,
            "integration": INTEGRATION,
            "webhookWaBusiness": None,
            "accessTokenWaBusiness": "",
            "status": State.CONNECTING if body.get("qrcode") is True else State.CLOSE,
        },
        "hash": instance.token,
        "webhook": {shown: given[name] for shown, name in WEBHOOK_ECHO.items() if name in given},
        "websocket": {},
        "rabbitmq": {},
        "nats": {},
        "sqs": {},
        "settings": dict(instance.settings),
    }


def asked_for() -> str | None:
    """Read the filter of fetchInstances; id and number win over the name."""
    names = ("instanceId", "number", "instanceName")
    return next((request.args[name] for name in names if request.args.get(name)), None)


def is_asked_for(instance: Instance) -> bool:
    """Tell whether an instance passes the filter of fetchInstances."""
    if request.args.get("instanceId"):
        return instance.id == request.args["instanceId"]
    if request.args.get("number"):
        return instance.number == request.args["number"]
    return request.args.get("instanceName") in (None, "", instance.name)


def instance_json(instance: Instance) -> dict[str, object]:
    """Write one item of fetchInstances; the token is always there, the webhook never."""
    disconnection = instance.disconnection
    return {
        "id": instance.id,
        "name": instance.name,
        "connectionStatus": instance.database_status,
        "ownerJid": instance.owner_jid,
        "profileName": instance.profile_name,
        "profilePicUrl": None,
        "integration": INTEGRATION,
        "number": instance.number,
        "businessId": None,
        "token": instance.token,
        "clientName": "evolution_simulated",
        "disconnectionReasonCode": disconnection.code if disconnection else None,
        "disconnectionObject": disconnection.reason if disconnection else None,
        "disconnectionAt": disconnection.at if disconnection else None,
        "createdAt": instance.created_at,
        "updatedAt": instance.updated_at,
        **dict.fromkeys(("Chatwoot", "Proxy", "Rabbitmq", "Nats", "Sqs", "Websocket")),
        "Setting": setting_json(instance),
        "_count": count_json(instance),
    }


def setting_json(instance: Instance) -> dict[str, object]:
    """Write the stored row of settings."""
    dates = {"createdAt": instance.created_at, "updatedAt": instance.created_at, "instanceId": instance.id}
    return {"id": instance.settings_id, **instance.settings, **dates}


def count_json(instance: Instance) -> dict[str, int]:
    """Count what an instance has stored."""
    chats = {message.chat for message in list(instance.messages.values())}
    return {"Message": len(instance.messages), "Contact": len(chats), "Chat": len(chats)}
