"""The page of components shows every part of the look, of nobody's data, and only while developing."""

from dataclasses import replace

import pytest
from flask import Flask
from flask.testing import FlaskClient

from portal.extensions import parts
from portal.models import MessageKind, MessageStatus
from portal.web import component_examples, components, words
from portal.web.component_examples import CONNECTIONS

PAGE = "/operator/components"


def test_page_shows_every_state_rung_and_kind_in_both_languages(operator: FlaskClient, app: Flask) -> None:
    english, portuguese = (operator.get(PAGE, headers={"Accept-Language": language}) for language in ("en", "pt-BR"))

    assert (english.status_code, portuguese.status_code) == (200, 200)
    assert 'lang="pt-BR"' in portuguese.text
    assert [state.title for state in components.states() if f">{state.title}</span>" not in english.text] == []
    for rung in (*words.RUNGS.values(), words.ACCEPTED, words.SENT_BY_PHONE):
        assert f"<span>{rung.label}</span>" in english.text or rung.name == MessageStatus.RECEIVED
    for kind in set(words.KINDS) - {MessageKind.REACTION, MessageKind.CALL, *component_examples.OF_FILES}:
        assert str(words.KINDS[kind]) in english.text, kind


@pytest.mark.parametrize("state", CONNECTIONS)
def test_page_shows_the_panel_in_each_state_and_asks_for_no_other(operator: FlaskClient, state: str) -> None:
    page = operator.get(f"{PAGE}?panel={state}").text

    assert page.count('id="connection-panel"') == 1
    assert page.index("hx-disable") < page.index('id="connection-panel"')


def test_page_names_no_id_twice(operator: FlaskClient) -> None:
    page = operator.get(PAGE).text
    ids = [part.split('"', 1)[0] for part in page.split(' id="')[1:]]

    assert sorted({id_ for id_ in ids if ids.count(id_) > 1}) == []


def test_page_is_not_there_in_production(operator: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "config", replace(parts.config, portal_env="production", base_url="http://localhost"))

    assert operator.get(PAGE, headers={"X-Forwarded-Proto": "https"}).status_code == 404


def test_page_is_for_operators_only(admin: FlaskClient, visitor: FlaskClient) -> None:
    assert admin.get(PAGE).status_code == 403
    assert visitor.get(PAGE).status_code == 302


def test_every_text_is_told_from_its_ground_in_both_themes(app: Flask) -> None:
    with app.app_context():
        poor = [pair for pair in components.contrasts() if min(pair.light, pair.dark) < components.LEAST_CONTRAST]

    assert poor == []


def test_contrast_is_that_of_wcag() -> None:
    assert components.contrast("#000000", "#ffffff") == 21.0
    assert components.contrast("#767676", "#ffffff") == 4.5
