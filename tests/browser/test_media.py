"""Files in the browser: chosen, sent once, seen in the thread, and refused without losing a word."""

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from zlib import crc32

import pytest
from playwright.sync_api import FilePayload, Page, expect

from tests.browser.looks import LOOKS, barriers, overflowing
from tests.browser.people import HOME, sign_in
from tests.files import PDF, ogg, png
from tests.running.stack import ADMIN, Stack
from tests.running.waiting import until

pytestmark = pytest.mark.browser

CAPTION = "This is the blue one."
MIB = 1024 * 1024


@pytest.fixture
def thread(stack: Stack, linked_unit: str) -> str:
    """The address of a thread with a customer who wrote."""
    question = f"What does it look like at {linked_unit}?"
    instance = stack.rows.instance_of(linked_unit)
    stack.simulator.customer_writes(instance, number="5511950009007", name="Rita Exemplo", text=question)
    until(lambda: stack.rows.received([question]), "question")
    found = stack.rows.fetch("SELECT conversation_id FROM messages WHERE body = %s", question)
    return f"{HOME}/conversations/{found[0]['conversation_id']}"


@pytest.fixture
def refused(open_page: Callable[..., Page]) -> Page:
    """The tenant's admin, whose browser will tell of refusals."""
    return open_page(ADMIN, expects_error=True)


@pytest.fixture
def photo(linked_unit: str) -> FilePayload:
    """A picture that no other test sends."""
    colour = crc32(linked_unit.encode()).to_bytes(4)[:3]
    return {"name": "modelo azul.png", "mimeType": "image/png", "buffer": png(640, 480, colour)}


def test_photo_goes_once(admin: Page, stack: Stack, thread: str, photo: FilePayload) -> None:
    admin.goto(thread)
    attach(admin, photo)
    expect(admin.locator("[data-file-note]")).to_contain_text("modelo azul.png")
    box = admin.get_by_role("textbox", name="Message")
    expect(box).to_be_focused()
    box.fill(CAPTION)
    box.press("Enter")

    picture = admin.get_by_role("img", name="Photo: modelo azul.png")
    expect(picture).to_be_visible()
    drawn_first = picture.element_handle()
    until(lambda: admin.locator(".bubble--read").count(), "second tick")
    assert admin.evaluate("picture => picture.isConnected", drawn_first), "it flickers with every tick"
    sent = [kind for kind, digest in stack.simulator.sent_files() if digest == digest_of(photo)]
    assert sent == ["image"]
    assert picture.evaluate("image => image.naturalWidth") == 640
    expect(admin.locator(".bubble--outbound")).to_contain_text(CAPTION)
    expect(box).to_have_value("")
    expect(admin.locator("[data-file-note]")).to_be_hidden()


def test_file_is_an_ordinary_form_without_a_script(
    open_page: Callable[..., Page], stack: Stack, thread: str, photo: FilePayload
) -> None:
    plain = open_page(java_script_enabled=False)
    sign_in(plain, ADMIN, stack.passwords[ADMIN])
    plain.goto(thread)
    attach(plain, photo)
    plain.get_by_role("button", name="Send").click()

    expect(plain.get_by_role("img", name="Photo: modelo azul.png")).to_be_visible()
    until(lambda: ("image", digest_of(photo)) in stack.simulator.sent_files(), "photo")


def test_refused_file_keeps_the_text_and_the_file(refused: Page, thread: str) -> None:
    refused.goto(thread)
    attach(refused, {"name": "jogo.pdf", "mimeType": "application/pdf", "buffer": b"#!/bin/sh\n"})
    box = refused.get_by_role("textbox", name="Message")
    box.fill(CAPTION)
    box.press("Enter")

    expect(refused.get_by_role("alert")).to_contain_text("Programs and web pages cannot be sent")
    expect(box).to_have_value(CAPTION)
    expect(refused.locator("[data-file-note]")).to_contain_text("jogo.pdf")

    refused.get_by_role("button", name="Remove").click()
    expect(refused.locator("[data-file-note]")).to_be_hidden()
    box.press("Enter")
    expect(refused.locator(".bubble--outbound")).to_contain_text(CAPTION)
    expect(refused.get_by_role("alert").locator(".field__error")).to_have_count(0)


def test_too_large_file_is_refused_before_it_is_sent(admin: Page, thread: str, tmp_path: Path) -> None:
    admin.goto(thread)
    asked = []
    admin.on("request", lambda request: asked.append(request) if request.method == "POST" else None)
    attach(admin, too_large(tmp_path, 16 * MIB + 1))
    box = admin.get_by_role("textbox", name="Message")
    box.fill(CAPTION)
    box.press("Enter")

    expect(admin.locator("[data-file-note]")).to_contain_text("at most 16 MB can be sent")
    expect(box).to_have_value(CAPTION)
    assert asked == []


@pytest.mark.parametrize("size", [17 * MIB, 40 * MIB])
def test_too_large_request_is_answered_beside_the_composer(
    refused: Page, thread: str, tmp_path: Path, size: int
) -> None:
    refused.goto(thread)
    # As if the script had not looked.
    refused.locator("[data-file]").evaluate("input => { input.dataset.largest = '1e9'; }")
    attach(refused, too_large(tmp_path, size))
    box = refused.get_by_role("textbox", name="Message")
    box.fill(CAPTION)
    box.press("Enter")

    expect(refused.get_by_role("alert")).to_contain_text("at most 16 MB can be sent")
    expect(box).to_have_value(CAPTION)
    expect(refused.locator(".bubble--outbound")).to_have_count(0)


def test_document_is_sent_and_can_be_saved(admin: Page, stack: Stack, thread: str) -> None:
    admin.goto(thread)
    attach(admin, {"name": "boleto.pdf", "mimeType": "application/pdf", "buffer": PDF})
    admin.get_by_role("button", name="Send").click()
    link = admin.get_by_role("link", name="boleto.pdf")
    expect(link).to_be_visible()
    until(lambda: ("document", sha256(PDF).hexdigest()) in stack.simulator.sent_files(), "document")

    with admin.expect_download() as saved:
        link.click()
    assert saved.value.path().read_bytes() == PDF
    assert saved.value.suggested_filename == "boleto.pdf"


def test_thread_with_files_fits_and_keeps_nobody_out(open_page: Callable[..., Page], admin: Page, thread: str) -> None:
    admin.goto(thread)
    for sent, (name, content) in enumerate({"foto.png": png(), "a" * 90 + ".pdf": PDF, "ouça.ogg": ogg()}.items(), 1):
        attach(admin, {"name": name, "mimeType": "", "buffer": content})
        admin.get_by_role("button", name="Send").click()
        expect(admin.locator(".bubble--outbound")).to_have_count(sent)

    found = {}
    for look in ("phone light pt", "desktop dark pt"):
        page = open_page(ADMIN, bypass_csp=True, **LOOKS[look])
        page.goto(thread)
        page.locator("[data-file]").set_input_files([{"name": "b" * 90, "mimeType": "", "buffer": PDF}])
        found[look] = overflowing(page) + barriers(page)

    assert found == dict.fromkeys(found, [])


def attach(page: Page, file: FilePayload | Path) -> None:
    page.get_by_label("Attach a file").set_input_files([file])


def too_large(folder: Path, size: int) -> Path:
    """On the disk: the browser reads it there, while a content would be handed over piece by piece."""
    file = folder / "filme.mp4"
    with file.open("wb") as empty:
        empty.truncate(size)
    return file


def digest_of(file: FilePayload) -> str:
    return sha256(file["buffer"]).hexdigest()
