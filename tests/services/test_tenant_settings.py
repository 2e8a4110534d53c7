"""The words that stop messages and bring them back, and what is answered to them."""

import time

import pytest
from sqlalchemy import select

from portal import consent_words
from portal.db import db
from portal.errors import Invalid
from portal.models import AuditEvent
from portal.services import tenant_settings
from portal.services.tenant_settings import LONGEST_ANSWER, LONGEST_WORD, MOST_WORDS, Settings
from portal.tenancy import TenantScope, across_tenants, acting_for

GIVEN = {"opt_out_words": "sair\npare", "opt_in_words": "voltar", "opt_out_answer": "Tchau", "opt_in_answer": "Oi"}


def change(scope: TenantScope, **changes: str) -> Settings:
    with acting_for(scope):
        tenant_settings.change_consent(scope, **{**GIVEN, **changes})
        return tenant_settings.get(scope)


def test_defaults_hold_until_somebody_decides(scope: TenantScope) -> None:
    with acting_for(scope):
        settings = tenant_settings.get(scope)

    assert settings.opt_out_words == consent_words.OPT_OUT_WORDS
    assert settings.opt_in_words == consent_words.OPT_IN_WORDS
    assert "VOLTAR" in settings.opt_out_answer
    assert "SAIR" in settings.opt_in_answer
    assert (settings.keep_messages_days, settings.keep_events_days) == (None, 90)


def test_words_and_answers_are_the_companys(scope: TenantScope) -> None:
    settings = change(scope)

    assert (settings.opt_out_words, settings.opt_in_words) == (("sair", "pare"), ("voltar",))
    assert (settings.opt_out_answer, settings.opt_in_answer) == ("Tchau", "Oi")


def test_empty_answer_is_no_answer(scope: TenantScope) -> None:
    assert change(scope, opt_out_answer=" ").opt_out_answer == ""


def test_answer_that_was_left_alone_names_the_companys_own_word(scope: TenantScope) -> None:
    with acting_for(scope):
        usual = tenant_settings.get(scope).opt_out_answer
        renamed = usual.replace("VOLTAR", "RETORNAR")

    change(scope, opt_in_words="retornar", opt_out_answer=renamed)
    settings = change(scope, opt_in_words="regressar", opt_out_answer=renamed.replace("RETORNAR", "REGRESSAR"))

    assert "REGRESSAR" in settings.opt_out_answer


def test_same_word_written_twice_counts_once(scope: TenantScope) -> None:
    settings = change(scope, opt_out_words=" Sair \r\n\r\nSAIR!\n  me   esqueçam ")

    assert settings.opt_out_words == ("Sair", "me esqueçam")


def test_thousands_of_words_are_refused_at_once(scope: TenantScope) -> None:
    began = time.process_time()

    with pytest.raises(Invalid) as refused:
        change(scope, opt_out_words="\n".join(f"palavra {number}" for number in range(20_000)))

    assert "20000" in refused.value.fields["opt_out_words"]
    assert time.process_time() - began < 3


def test_reset_brings_the_usual_words_back(scope: TenantScope) -> None:
    change(scope)

    with acting_for(scope):
        tenant_settings.reset_consent(scope)
        settings = tenant_settings.get(scope)

    assert settings.opt_out_words == consent_words.OPT_OUT_WORDS
    assert "VOLTAR" in settings.opt_out_answer


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("opt_out_words", ""),
        ("opt_in_words", " \n "),
        ("opt_out_words", "\n".join(f"palavra {number}" for number in range(MOST_WORDS + 1))),
        ("opt_out_words", "x y " * LONGEST_WORD),
        ("opt_in_words", "!!!"),
        ("opt_in_words", "SAIR!"),
        ("opt_out_answer", "x" * (LONGEST_ANSWER + 1)),
    ],
    ids=["no words", "only blank lines", "too many", "too long", "no letter", "in both lists", "endless answer"],
)
def test_what_cannot_be_is_refused_beside_its_field(scope: TenantScope, field: str, text: str) -> None:
    with pytest.raises(Invalid) as refused:
        change(scope, **{field: text})

    assert list(refused.value.fields) == [field]


def test_change_is_audited_without_the_texts(scope: TenantScope) -> None:
    change(scope, opt_out_answer="Ligue 11 99999-0001")
    change(scope, opt_out_answer="Ligue 11 99999-0001")

    with across_tenants("a test looks at the log"):
        (event,) = db.session.scalars(select(AuditEvent).where(AuditEvent.action == "tenant.consent_changed"))
    assert event.before["opt_out_words"] is None
    assert event.after["opt_out_words"] == ["sair", "pare"]
    assert event.after["opt_out_answer"] == {"length": 19}
