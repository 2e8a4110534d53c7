"""What the walks look at: one unit that is linked and wrote with somebody, one that shows a QR code, and all around."""

from playwright.sync_api import Page, expect

from tests.browser.campaigns import seed_campaign
from tests.browser.looks import AN_OPERATOR, SOMEBODY, THE_LOST, THE_LOST_ADMIN, Sight
from tests.browser.people import HOME, Visitors, ask_for_code, link_unit, make_unit, qr_code
from tests.browser.releases import seed_release
from tests.running.stack import ADMIN, Stack
from tests.running.waiting import until

LONG_TEXT = "Bom dia! Vocês ainda têm o modelo " + "azul-marinho" * 8 + " em estoque? https://example.test/" + "a" * 90


def make_sights(visitors: Visitors, running: Stack) -> list[Sight]:
    """Let all this come about in the running portal, and say where it is seen."""
    page = visitors.open(ADMIN)
    linked = link_unit(running, make_unit(page, "Loja da avenida comprida 10501"))
    waiting = make_unit(page, "Loja que espera 10502")
    conversation = talk(running, linked)
    message = fail(running, linked)
    checked, imported = bring_list(page), bring_list(page, rows="+55 11 95555-0009;Cecília;Recife\n")
    page.get_by_role("button", name="Import 1 person").click()
    expect(page.get_by_role("heading", name="The list was imported")).to_be_visible()
    template, draft = write_template(page), prepare_campaign(page, linked)
    page.goto(f"{HOME}/units/{waiting}")
    page.locator("form[action$=scan-link] button").click()
    link = page.locator("#scan-url").input_value()
    running.note_secret("scan link", link.rpartition("/")[2])
    page.goto(f"{HOME}/units/{waiting}/connect")
    ask_for_code(page)
    expect(qr_code(page)).to_be_visible()
    assert visitors.leave() == []
    person = contact_of(running, conversation)
    return [
        *list_sights(linked, waiting, conversation, message, link),
        *list_import_sights(checked, imported),
        *list_contact_sights(person),
        *list_template_sights(template, linked),
        *list_draft_sights(draft, template),
        *list_run_sights(running, linked, waiting),
        *list_golive_sights(running),
    ]


def list_sights(linked: str, waiting: str, conversation: str, message: str, link: str) -> list[Sight]:
    of_linked, of_waiting = f"{HOME}/units/{linked}", f"{HOME}/units/{waiting}"
    return [
        Sight("login", "/login", SOMEBODY),
        Sight("home", f"{HOME}/home"),
        Sight("units", f"{HOME}/"),
        Sight("new unit", f"{HOME}/new-unit"),
        Sight("unit", of_linked),
        Sight("unit waiting", of_waiting),
        Sight("settings", f"{of_linked}/settings"),
        Sight("pace", f"{of_linked}/pace"),
        Sight("archive", f"{of_linked}/archive"),
        Sight("connected", f"{of_linked}/connect"),
        Sight("QR code", f"{of_waiting}/connect"),
        Sight("not connected", f"{HOME}/units/norte/connect"),
        *(Sight(step, f"{of_linked}/{step}") for step in ("disconnect", "restart", "delete")),
        Sight("inbox", f"{HOME}/conversations"),
        Sight("inbox of a unit", f"{HOME}/conversations?unit={linked}"),
        Sight("thread", f"{HOME}/conversations/{conversation}"),
        Sight("send", f"{of_linked}/send"),
        Sight("not delivered", f"{HOME}/undelivered?bucket=failed"),
        Sight("story", f"{HOME}/messages/{message}"),
        Sight("send held", f"{HOME}/units/norte/send"),
        Sight("scan link", link, SOMEBODY),
        Sight("reference", "/reference", SOMEBODY),
        Sight("scan link gone", "/scan/nothing", THE_LOST),
        Sight("tenants", "/operator/", AN_OPERATOR),
        Sight("error", f"{HOME}/units/no-such-unit", THE_LOST_ADMIN),
    ]


def list_import_sights(checked: str, imported: str) -> list[Sight]:
    return [
        Sight("imports", f"{HOME}/contacts/imports"),
        Sight("import a list", f"{HOME}/contacts/import"),
        Sight("import columns", f"{checked}?columns=change"),
        Sight("import checked", checked),
        Sight("imported", imported),
        Sight("undo an import", f"{imported}/undo"),
    ]


def list_contact_sights(person: str) -> list[Sight]:
    return [
        Sight("contacts", f"{HOME}/contacts"),
        Sight("contacts found", f"{HOME}/contacts?q=Concei%C3%A7%C3%A3o&consent=not_opted_out"),
        Sight("new contact", f"{HOME}/contacts/new"),
        Sight("contact", f"{HOME}/contacts/{person}"),
        Sight("edit contact", f"{HOME}/contacts/{person}/edit"),
        Sight("merge contact", f"{HOME}/contacts/{person}/merge"),
        Sight("erase contact", f"{HOME}/contacts/{person}/erase"),
        Sight("rules for campaigns", f"{HOME}/settings/consent"),
        Sight("how long data is kept", f"{HOME}/settings/data"),
    ]


def list_template_sights(template: str, unit: str) -> list[Sight]:
    of_number = f"template={template.rpartition('/')[2]}&phone=%2B5511950009005"
    return [
        Sight("templates", f"{HOME}/templates"),
        Sight("template", template),
        Sight("edit template", f"{template}/edit"),
        Sight("begin with a template", f"{HOME}/units/{unit}/send?{of_number}"),
    ]


def list_draft_sights(draft: str, template: str) -> list[Sight]:
    return [
        Sight("new campaign", f"{HOME}/campaigns/new"),
        Sight("campaign audience", f"{draft}/audience"),
        Sight("campaign message", f"{draft}/message?template={template.rpartition('/')[2]}"),
        Sight("campaign check", f"{draft}/check"),
        Sight("delete a draft", f"{draft}/delete"),
    ]


def list_run_sights(stack: Stack, linked: str, waiting: str) -> list[Sight]:
    # One that is not connected, so that the campaign stays as it is.
    run = f"{HOME}/campaigns/{seed_campaign(stack, waiting, first=940_020_000)}"
    paused = seed_campaign(stack, linked, state="paused", pause_reason="failures", first=940_030_000)
    return [
        Sight("campaigns", f"{HOME}/campaigns"),
        Sight("campaign running", run),
        Sight("campaign paused", f"{HOME}/campaigns/{paused}"),
        Sight("cancel a campaign", f"{run}/cancel"),
        Sight("recipients", f"{run}/recipients"),
    ]


def list_golive_sights(stack: Stack) -> list[Sight]:
    seed_release(stack)
    return [
        Sight("go-live board", "/operator/golive", AN_OPERATOR),
        Sight("metrics", "/operator/metrics", AN_OPERATOR),
        Sight("alerts", "/operator/alerts", AN_OPERATOR),
        Sight("components", "/operator/components", AN_OPERATOR),
        Sight("components before a code", "/operator/components?panel=new", AN_OPERATOR),
    ]


def contact_of(stack: Stack, conversation: str) -> str:
    found = stack.rows.fetch("SELECT contact_id FROM conversations WHERE id = %s", conversation)
    return str(found[0]["contact_id"])


# Something of everything.
ROWS = f"1199;{LONG_TEXT};Natal\n+55 11 95555-0001;Ana;Recife\n11 5555-0002;Bia;Olinda\n5511955550001;Ana;Recife\n"


def bring_list(page: Page, *, rows: str = ROWS) -> str:
    """Paste a list, and give the address of the page that tells what was found in it."""
    page.goto(f"{HOME}/contacts/import")
    page.get_by_label("Your list").fill(f"Telefone;Nome completo;Cidade\n{rows}")
    page.get_by_role("button", name="Check this list").click()
    page.get_by_role("button", name="Check the rows").click()
    expect(page.get_by_role("heading", name="Checked, and nothing changed yet")).to_be_visible()
    return page.url


def write_template(page: Page) -> str:
    """Write a template with two variants, and give its address."""
    page.goto(f"{HOME}/templates/new")
    page.get_by_label("Name", exact=True).fill("Oferta da semana 10503")
    page.get_by_label("Message").fill(f"Oi, ((primeiro nome))! ((última compra))\n{LONG_TEXT}")
    page.get_by_text("Other variants").click()
    page.get_by_label("Variant 2").fill("Olá, ((nome))!((cidade?? Temos loja na sua cidade.))")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", name="Versions")).to_be_visible()
    return page.url


def prepare_campaign(page: Page, unit: str) -> str:
    """Prepare a campaign with something to say about everything, and give the address of its steps."""
    page.goto(f"{HOME}/campaigns/new")
    page.get_by_label("Name", exact=True).fill(f"Campanha {LONG_TEXT}"[:80])
    page.locator("#unit").select_option(unit)
    page.get_by_role("button", name="Go on").click()
    page.get_by_label("All contacts").check()
    page.get_by_label("Telephone numbers").fill("+55 11 95555-0001\n1199\n11 5555-0002\n11 95555-0002")
    page.get_by_role("button", name="Save and go on").click()
    page.get_by_label("Message").fill(f"Oi, ((primeiro nome))! ((última compra))\n{LONG_TEXT}")
    page.get_by_role("button", name="Save and go on").click()
    expect(page.get_by_role("heading", name="What was found")).to_be_visible(timeout=20_000)
    return page.url.rpartition("/")[0]


def talk(stack: Stack, unit: str) -> str:
    """Let a customer and the unit write to each other, and give the conversation's id."""
    number, answer = "5511950009005", "Temos sim. Quer que eu separe um para você?"
    instance = stack.rows.instance_of(unit)
    stack.simulator.customer_writes(instance, number=number, name="Conceição de Souza Exemplo", text=LONG_TEXT)
    stack.simulator.customer_writes(stack.rows.instance_of(unit), number=number, name="Conceição", text="Obrigada!")
    until(lambda: stack.rows.received(["Obrigada!"]), "message")
    stack.api.send(unit, phone=f"+{number}", text=answer)
    until(lambda: stack.rows.statuses([answer]).get(answer) == "read", "second tick")
    found = stack.rows.fetch("SELECT conversation_id FROM messages WHERE body = %s", answer)
    return str(found[0]["conversation_id"])


def fail(stack: Stack, unit: str) -> str:
    """Let the unit write to a number that is not on WhatsApp, and give the message's id."""
    text = "Your order is ready. " + LONG_TEXT
    message = stack.api.send(unit, phone="+5511950000008", text=text)
    until(lambda: stack.rows.statuses([text]).get(text) == "failed", "failure")
    return message
