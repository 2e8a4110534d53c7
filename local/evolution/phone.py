"""The page of simulated phones: scan as the shop, write as the customer."""

from dataclasses import dataclass
from importlib import resources

from flask import Blueprint, Response, abort, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from local.evolution.arrivals import NotOpen
from local.evolution.crowd_panel import crowd_panel
from local.evolution.faults_panel import VARIANT_TEXTS, panel_of
from local.evolution.forms import DEEDS, KINDS, PLACES
from local.evolution.guards import simulator
from local.evolution.model import Customer, Instance
from local.evolution.numbers import chat_of
from local.evolution.phones import DELETED, Bubble, Person, Shop, bubbles, digest, people, picture_type, shop_of
from local.evolution.sockets import NotScannable

blueprint = Blueprint("phone", __name__)

RECENT = 15
POLICY = "default-src 'self'; img-src 'self' data:; style-src 'self'; script-src 'self'; base-uri 'none'"
NOTICES = {
    "not-scannable": "That code is no longer valid. Scan the one that is shown now.",
    "not-open": "The shop's phone is not connected, so the message could not be sent.",
    "incomplete": "Please fill in every field.",
}


@dataclass(frozen=True)
class Scene:
    """Hold everything the page shows."""

    shops: list[Shop]
    shop: Shop | None
    people: list[Person]
    person: Person
    bubbles: list[Bubble]

    @property
    def recent(self) -> list[Bubble]:
        """List the last messages, newest first, for those forms that need one."""
        return [bubble for bubble in reversed(self.bubbles) if bubble.text not in ("", DELETED)][:RECENT]

    @property
    def shops_digest(self) -> str:
        """Name the state of the left side."""
        return digest(self.shops, self.shop and self.shop.name)

    @property
    def chat_digest(self) -> str:
        """Name the state of the right side."""
        return digest(self.shop, self.person, self.bubbles)


@blueprint.after_request
def set_policy(response: Response) -> Response:
    response.headers["Content-Security-Policy"] = POLICY
    response.headers["Cache-Control"] = "no-store"
    return response


@blueprint.get("/phone")
def show() -> str:
    notice = NOTICES.get(request.args.get("notice", ""))
    return page(notice=notice, is_panel_open=request.args.get("panel") == "open")


@blueprint.get("/phone/shops")
def show_shops() -> str | tuple[str, int]:
    shown = scene()
    return unless_seen(shown.shops_digest, "phone/_shops.html", shown)


@blueprint.get("/phone/chat")
def show_chat() -> str | tuple[str, int]:
    shown = scene()
    return unless_seen(shown.chat_digest, "phone/_chat.html", shown)


@blueprint.post("/phone/scan")
def scan() -> BaseResponse:
    instance = chosen_instance() or abort(404)
    number, profile_name = field("number"), field("profile_name")
    if not (number and profile_name):
        return back("incomplete")
    try:
        simulator().sockets.scan(instance, number=number, profile_name=profile_name)
    except NotScannable:
        return back("not-scannable")
    return back()


@blueprint.post("/phone/unlink")
def unlink() -> BaseResponse:
    instance = chosen_instance() or abort(404)
    if instance.is_paired:
        simulator().sockets.log_out(instance, "Stream Errored (conflict)")
    return back()


@blueprint.post("/phone/messages")
def write() -> BaseResponse:
    instance = chosen_instance() or abort(404)
    customer = simulator().store.customer(chat_of(field("customer")))
    if not field("text"):
        return back("incomplete")
    try:
        simulator().arrivals.customer_sends(instance, customer, {"text": field("text")})
    except NotOpen:
        return back("not-open")
    return back()


@blueprint.post("/phone/customers")
def add_customer() -> BaseResponse:
    number = "".join(letter for letter in field("customer") if letter.isdigit())
    if not (number and field("name")):
        return back("incomplete")
    simulator().store.keep_customer(Customer(number, field("name"), bool(field("lid"))))
    return redirect(url_for("phone.show", shop=field("shop"), customer=number), code=303)


@blueprint.get("/phone/files/<key_id>")
def show_file(key_id: str) -> Response:
    content = simulator().store.files.get(key_id) or abort(404)
    picture = picture_type(content)
    response = Response(content, content_type=picture or "application/octet-stream")
    response.headers["X-Content-Type-Options"] = "nosniff"
    if not picture:
        response.headers["Content-Disposition"] = "attachment"
    return response


@blueprint.get("/static-lib/htmx.min.js")
def htmx() -> Response:
    script = resources.files("js_lib_htmx").joinpath("static/htmx/htmx.min.js").read_bytes()
    return Response(script, content_type="text/javascript; charset=utf-8")


def page(*, notice: str | None, is_panel_open: bool) -> str:
    """Write the whole page."""
    panel = panel_of(simulator().faults)
    return render_template(
        "phone/show.html",
        scene=scene(),
        notice=notice,
        panel=panel,
        crowd=crowd_panel(simulator().crowd.plan),
        is_panel_open=is_panel_open or bool(panel.on),
        variants=VARIANT_TEXTS,
        kinds=KINDS,
        places=PLACES,
        deeds=DEEDS,
    )


def scene() -> Scene:
    """Collect what is shown for the shop and the customer in the address."""
    store, instances = simulator().store, simulator().instances.list_all()
    instance = chosen_instance() or next((one for one in instances if one.is_open), None)
    instance = instance or next(iter(instances), None)
    listed = people(store, instance)
    chosen = chat_of(request.values["customer"]) if request.values.get("customer") else None
    person = next((one for one in listed if chat_of(one.number) == chosen), listed[0])
    shop = shop_of(instance) if instance else None
    shown = bubbles(store, instance, chat_of(person.number))
    return Scene([shop_of(one) for one in instances], shop, listed, person, shown)


def chosen_instance() -> Instance | None:
    """Give the instance that the address or the form names."""
    return simulator().instances.find(request.values.get("shop"))


def field(name: str) -> str:
    """Read a field of the form."""
    return request.form.get(name, "").strip()


def back(notice: str | None = None, *, panel: str | None = None, anchor: str | None = None) -> BaseResponse:
    """Go back to the page with the same shop and customer."""
    shop, customer = field("shop") or None, field("customer") or None
    target = url_for("phone.show", shop=shop, customer=customer, notice=notice, panel=panel, _anchor=anchor)
    return redirect(target, code=303)


def unless_seen(current: str, template: str, shown: Scene) -> str | tuple[str, int]:
    """Answer a poll: nothing when the page shows it already."""
    if request.args.get("seen") == current:
        return "", 204
    return render_template(template, scene=shown)
