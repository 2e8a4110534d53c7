"""Numbers, wishes, prepared texts and log lines of any characters: each reader copes with all, and keeps its word."""

import re
import secrets
import time

import phonenumbers
from hypothesis import assume
from hypothesis import strategies as st

from portal import consent_words, phone, wording
from portal.consent_words import OPT_IN_WORDS, OPT_OUT_WORDS, Wish
from portal.logs import mask
from portal.phone import NotAPhone
from portal.wording import Variable, WordingError
from tests.fuzz.exploring import Say, explore

LONGEST_S = 5.0
ANY_TEXT = st.text(st.characters(), max_size=60)
PHONE_LIKE = st.text("0123456789+-() .\u0660\u0661\uff0b\u202a/", max_size=24) | ANY_TEXT
REGIONS = sorted(phonenumbers.SUPPORTED_REGIONS)
# WhatsApp writes these in a form of its own (contract §6).
OWN_FORM = (55, 52, 54)
WORDS = st.sampled_from(
    [
        "sair",
        "SAIR!!!",
        "parar",
        "não",
        "quero",
        "mais",
        "receber",
        "mensagens",
        "pare",
        "de",
        "me",
        "mandar",
        "ok",
        ".",
        ",",
    ]
    + ["stop", "voltar", "aceito", "por favor", "\n", "🙏", "s a i r", "Obrigada", "x" * 400]
)
TEMPLATES = [
    "{{7*7}}",
    "{% import os %}",
    "((a.b.__class__))",
    "%s %d",
    "{0.__class__}",
    "${jndi:x}",
    "\\1",
    "((nome))",
    "((nome??",
]
PIECES = st.lists(st.sampled_from(["((", "))", "(", ")", "??", "nome", " ", *TEMPLATES]) | ANY_TEXT, max_size=12)
URL_SAFE = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", min_size=20, max_size=60)
# What a secret may hold, where a quote says where it ends.
QUOTED = st.text(
    st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="\"'\\"), min_size=12, max_size=40
)
AROUND = st.text(st.characters(codec="utf-8", exclude_characters="\"'\\"), max_size=30)
BY_ADDRESS = ["/webhooks/whatsapp/evolution/{}/messages-upsert", "/scan/{}", "https://p.test/scan/{}?x=1", "Bearer {}"]
BY_ADDRESS += [
    "Authorization: Bearer {}",
    "Set-Cookie: session={}; HttpOnly",
    "Cookie: a=b; session={}",
    "?token={}&x=1",
]
BY_NAME = [
    '{{"apikey": "{}"}}',
    "{{'password': '{}'}}",
    'secret = "{}"',
    "{{'jwt_key': '{}', 'a': 1}}",
    '"refreshToken":"{}"',
]


def quick(began_at: float) -> bool:
    return time.monotonic() - began_at < LONGEST_S


def test_number_of_any_text_is_one_that_stays_or_none(measured: Say) -> None:
    def check(text: str) -> None:
        phone.from_jid(text)
        phone.from_jid(text + phone.PERSON_SUFFIX)
        try:
            number = phone.canonical(text)
        except NotAPhone:
            return
        assert re.fullmatch(r"[0-9]{7,17}", number)
        assert phone.canonical("+" + number) == number
        assert phone.from_jid(number + phone.PERSON_SUFFIX) == number
        assert phone.canonical(phone.display(number)) == number
        assert phone.masked(number) == "****" + number[-4:]

    explore("telephone numbers", check, measured, few=400, text=PHONE_LIKE)


def test_number_is_what_the_library_says_where_it_is_sure(measured: Say) -> None:
    def check(region: str, end: int, layout: int) -> None:
        example = phonenumbers.example_number_for_type(region, phonenumbers.PhoneNumberType.MOBILE)
        assume(example is not None and example.country_code not in OWN_FORM)
        width = len(str(end))
        number = phonenumbers.parse(f"+{example.country_code}{str(example.national_number)[:-width]}{end}")
        assume(phonenumbers.is_valid_number(number) and not number.italian_leading_zero)
        written = phonenumbers.format_number(number, layout)

        assert phone.canonical(written) == phonenumbers.format_number(number, 0).removeprefix("+")

    explore(
        "telephone numbers of every country",
        check,
        measured,
        few=200,
        region=st.sampled_from(REGIONS),
        end=st.integers(0, 9_999),
        layout=st.sampled_from([phonenumbers.PhoneNumberFormat.E164, phonenumbers.PhoneNumberFormat.INTERNATIONAL]),
    )


def test_wish_is_read_in_any_text_and_in_time(measured: Say) -> None:
    def check(text: str) -> None:
        began_at = time.monotonic()
        wish = consent_words.read(text, opt_out_words=OPT_OUT_WORDS, opt_in_words=OPT_IN_WORDS)

        assert wish is None or wish in set(Wish)
        # A message of some length is read in another way, and what is around it counts for that.
        if len(around := f"  {text}\n") <= consent_words.LONGEST_WISH:
            assert consent_words.read(around, opt_out_words=OPT_OUT_WORDS, opt_in_words=OPT_IN_WORDS) is wish
        assert isinstance(consent_words.is_phrase(text), bool)
        assert consent_words.is_same_phrase(text, text)
        assert quick(began_at)

    spoken = st.lists(WORDS | ANY_TEXT, max_size=30).map(" ".join)
    explore(
        "wishes", check, measured, few=300, text=spoken | ANY_TEXT | st.text(max_size=3).map(lambda text: text * 5_000)
    )


def test_keyword_is_the_same_however_it_is_shouted(measured: Say) -> None:
    def check(word: str, before: str, after: str) -> None:
        for said in (word, word.upper(), word.title(), f"{before}{word}{after}"):
            assert consent_words.read(said, opt_out_words=OPT_OUT_WORDS, opt_in_words=OPT_IN_WORDS) is Wish.OPT_OUT

    marks = st.text(" \n\t.!?,", max_size=4)
    explore(
        "keywords", check, measured, few=100, word=st.sampled_from(sorted(OPT_OUT_WORDS)), before=marks, after=marks
    )


def test_prepared_text_is_read_or_refused_and_never_run(measured: Say) -> None:
    def check(pieces: list[str], values: dict[str, str]) -> None:
        text, began_at = "".join(pieces), time.monotonic()
        try:
            read = wording.parse(text)
        except WordingError:
            return
        rendered = wording.render(read, values)
        plain = [part for part in read.parts if isinstance(part, str)]
        assert all(part in text and part in rendered.text for part in plain)
        assert read.parts != (text,) or rendered.text == text
        assert wording.render(read, values) == rendered
        assert quick(began_at)

    values = st.dictionaries(st.sampled_from(["nome", "a.b.__class__", "cidade"]) | ANY_TEXT, ANY_TEXT, max_size=4)
    explore("prepared texts", check, measured, few=300, pieces=PIECES, values=values)


def test_value_stands_in_a_text_as_it_is(measured: Say) -> None:
    def check(value: str, before: str) -> None:
        assume(value.strip() and "(" not in before)
        read = wording.parse(f"{before}((nome)), ((nome??sim))")

        assert read.parts[-1] == Variable("nome", "sim")
        assert wording.render(read, {"nome": value}).text == f"{before}{value}, sim"

    explore(
        "values in prepared texts",
        check,
        measured,
        few=200,
        value=st.sampled_from(TEMPLATES) | ANY_TEXT,
        before=ANY_TEXT,
    )


def test_secret_never_stays_in_a_line(measured: Say) -> None:
    def check(shape: str, secret: str, before: str, after: str) -> None:
        assume(secret not in before + after)
        began_at = time.monotonic()

        written = mask(f"{before} {shape.format(secret)} {after}")

        assert secret not in written
        assert secret not in mask(written)
        assert quick(began_at)

    explore(
        "secrets by their place in log lines",
        check,
        measured,
        few=200,
        shape=st.sampled_from(BY_ADDRESS),
        secret=URL_SAFE,
        before=AROUND,
        after=AROUND,
    )
    explore(
        "secrets by their name in log lines",
        check,
        measured,
        few=200,
        shape=st.sampled_from(BY_NAME),
        secret=QUOTED | URL_SAFE,
        before=AROUND,
        after=AROUND,
    )


def test_number_never_stays_in_a_line(measured: Say) -> None:
    def check(area: int, end: int, shape: str, before: str, after: str) -> None:
        number = f"55{area}9{end:08d}"
        shown = shape.format(n=number, area=area, head=f"9{end:08d}"[:5], tail=number[-4:])

        written = mask(f"{before} {shown} {after}")

        assert number not in written
        assert shown not in written

    shapes = [
        "{n}",
        "+{n}",
        "to={n}",
        '"{n}"',
        "+55 {area} {head}-{tail}",
        "({area}) {head}-{tail}",
        "{n}@s.whatsapp.net",
    ]
    explore(
        "numbers in log lines",
        check,
        measured,
        few=200,
        area=st.integers(11, 99).filter(lambda area: area % 10),
        end=st.integers(0, 99_999_999),
        shape=st.sampled_from(shapes),
        before=AROUND,
        after=AROUND,
    )


def test_masking_takes_any_line_and_ends(measured: Say) -> None:
    parts = st.sampled_from(
        ["token=", '"', "'", "\\", "DETAIL:", "Cookie:", "://", "@", ":", "+55", "0" * 30, "((", "\n", "("]
    )

    def check(pieces: list[str], times: int) -> None:
        began_at = time.monotonic()
        assert isinstance(mask("".join(pieces) * times), str)
        assert quick(began_at)

    pieces = st.lists(parts | ANY_TEXT, max_size=12)
    explore("log lines", check, measured, few=100, pieces=pieces, times=st.sampled_from([1, 1, 10, 2_000]))


def test_made_secrets_are_of_the_kind_that_is_tried_here() -> None:
    assert re.fullmatch(r"[A-Za-z0-9_-]{20,60}", secrets.token_urlsafe(32))
