"""What leaves the portal is there in both languages too: mails, and the headings of tables to download."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from flask_babel import force_locale

from portal.background import mail_texts
from portal.models import Level, LinkKind, NoticeKind
from portal.monitor import notice_texts
from portal.monitor.metric_names import NAMES
from portal.queries.alerts import TEST
from portal.web import audit_view, contact_list, import_rows, recipients, undelivered

LOCALES = ("en", "pt_BR")
WEB = Path(__file__).parents[1] / "portal" / "web"
SAME_EVERYWHERE = {"Id"}
ADDRESS = "http://portal.test/invitation/x"
# Every view that sends a table; a new one needs its headings below.
SENDING_TABLES = {"audit.py", "contacts.py", "imports.py", "operator_audit.py", "recipients.py", "undelivered.py"}


def headings() -> dict[str, Sequence[object]]:
    return {
        "contacts": contact_list.COLUMNS,
        "undelivered": undelivered.COLUMNS,
        "recipients": recipients.COLUMNS,
        "log": (*audit_view.COLUMNS, *audit_view.OF_TENANT),
        "example of a list": import_rows.example()[0],
    }


def test_every_table_to_download_is_known_here() -> None:
    sending = {path.name for path in WEB.glob("*.py") if "csv_response(" in path.read_text()}

    assert sending - {"csv.py"} == SENDING_TABLES


def test_every_heading_of_a_table_is_translated(app: Flask) -> None:
    told = {}
    with app.test_request_context():
        for locale in LOCALES:
            with force_locale(locale):
                told[locale] = {name: [str(heading) for heading in row] for name, row in headings().items()}

    for name, english in told["en"].items():
        pairs = zip(english, told["pt_BR"][name], strict=True)
        same = [word for word, other in pairs if word == other and word not in SAME_EVERYWHERE]
        assert same == [], name


@pytest.mark.parametrize("kind", LinkKind)
def test_mail_with_a_link_says_nothing_in_the_other_language(app: Flask, kind: LinkKind) -> None:
    english, portuguese = (
        mail_texts.compose(kind, ADDRESS, company="Acme", locale=locale).text.split("\n\n") for locale in LOCALES
    )

    assert set(english) & set(portuguese) == {ADDRESS}
    assert len(english) == len(portuguese)


@pytest.mark.parametrize("metric", [TEST, *NAMES])
@pytest.mark.parametrize("kind", NoticeKind)
def test_mail_about_an_alert_is_in_the_portals_own_language(
    app: Flask, monkeypatch: pytest.MonkeyPatch, kind: NoticeKind, metric: str
) -> None:
    given = {"value": "12 %", "release": "1.0"}
    own = notice_texts.compose(kind, Level.CRITICAL, metric, **given)
    monkeypatch.setattr(notice_texts, "DEFAULT_LOCALE", "en")
    english = notice_texts.compose(kind, Level.CRITICAL, metric, **given)

    common = set(own.text.split("\n\n")) & set(english.text.split("\n\n"))
    assert own.subject != english.subject
    assert {words for words in common if not words.startswith("http://")} == set()


def test_language_is_switched_by_a_plain_form_that_leads_back_to_the_same_page(client: FlaskClient) -> None:
    page = client.get("/login?next=/t/acme/", headers={"Accept-Language": "en"}).text

    form = page[page.index('<form class="languages"') :]
    form = form[: form.index("</form>")]
    assert 'method="post" action="/language"' in form
    assert '<input type="hidden" name="next" value="/login?next=/t/acme/">' in form
    assert form.count('<button class="languages__choice" name="locale"') == 2

    answer = client.post("/language", data={"locale": "pt_BR", "next": "/login?next=/t/acme/"})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/login?next=/t/acme/")
    assert 'lang="pt-BR"' in client.get("/login?next=/t/acme/", headers={"Accept-Language": "en"}).text


def test_language_switch_of_a_page_that_refused_a_form_leads_back_to_that_page(client: FlaskClient) -> None:
    for referrer, page in (("http://localhost/login?next=/x", "/login?next=/x"), ("https://evil.test/login", "/")):
        answer = client.post("/login", data={}, headers={"Referer": referrer})

        assert answer.status_code == 422
        assert f'<input type="hidden" name="next" value="{page}">' in answer.text
