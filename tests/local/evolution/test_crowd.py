"""The crowd: strangers who receive, read, answer, opt out and block, each by their nature."""

import threading

import pytest

from local.evolution.__main__ import read_crowd
from local.evolution.crowd import ANSWERS, WISHES, Crowd, CrowdPlan
from local.evolution.numbers import chat_of
from local.evolution.store import FIRST_CUSTOMERS, Store
from portal.consent_words import OPT_IN_WORDS, OPT_OUT_WORDS, Wish, read

EVENTS = ["SEND_MESSAGE", "MESSAGES_UPDATE", "MESSAGES_UPSERT"]
NUMBERS = [f"5511970{number:06d}" for number in range(2_000) if number % 10_000 != 8]
STRANGER = "5511970000001"
QUICK = {"on": True, "delayS": 0.02, "jitterS": 0.01}


def natures(**rates):
    crowd = Crowd(CrowdPlan(is_on=True, **rates), Store(None))
    return [crowd.nature_of(chat_of(number)) for number in NUMBERS]


def order(world, **crowd):
    answer = world.http.put("/simulator/crowd", json={**QUICK, **crowd})
    assert answer.status_code == 200, answer.text
    return answer.get_json()


def wish_in(text):
    return read(text, opt_out_words=OPT_OUT_WORDS, opt_in_words=OPT_IN_WORDS)


def threads():
    """The threads that last: those of webhooks end by themselves."""
    return {thread.name for thread in threading.enumerate()}


def test_without_a_crowd_a_stranger_reads_and_is_silent(world, receiver):
    world.open(webhook={"url": receiver.url, "events": EVENTS})

    assert world.simulator.crowd.nature_of(chat_of(STRANGER)) is None
    assert world.send(STRANGER).status_code == 201

    assert [one.data["status"] for one in receiver.wait_for("messages.update", 2)] == ["DELIVERY_ACK", "READ"]
    world.simulator.messages.pause(0.1)
    assert receiver.of("messages.upsert") == []


def test_shares_of_the_crowd_are_what_was_ordered():
    crowd = natures(reads=0.6, answers=0.2, opts_out=0.1, blocks=0.1, absent=0.05)

    def share(does):
        return sum(map(does, crowd)) / len(crowd)

    assert share(lambda one: one.is_absent) == pytest.approx(0.05, abs=0.02)
    assert share(lambda one: one.is_blocking) == pytest.approx(0.1, abs=0.03)
    assert share(lambda one: one.answers_after_s is not None) == pytest.approx(0.3, abs=0.04)
    assert share(lambda one: one.answer in WISHES) == pytest.approx(0.1, abs=0.03)
    # Whoever answers has read it: 30 %, and 60 % of the others.
    assert share(lambda one: one.reads_after_s is not None) == pytest.approx(0.72, abs=0.04)
    assert all(2 <= one.answers_after_s - one.reads_after_s <= 14 for one in crowd if one.answers_after_s is not None)


def test_a_person_is_the_same_in_every_run_and_another_one_with_another_seed():
    assert natures() == natures()
    assert natures(seed=2) != natures()


def test_most_people_stay_who_they_are_when_a_rate_changes():
    changed = zip(natures(answers=0.1), natures(answers=0.2), strict=True)

    assert sum(before != after for before, after in changed) / len(NUMBERS) == pytest.approx(0.1, abs=0.03)


def test_customers_whom_somebody_plays_are_not_of_the_crowd(world):
    order(world, absent=1, blocks=1)

    assert world.simulator.crowd.nature_of(chat_of(FIRST_CUSTOMERS[0][0])) is None
    assert world.simulator.crowd.nature_of(chat_of(STRANGER)).is_absent


def test_a_person_reads_and_answers_once(world, receiver):
    world.open(webhook={"url": receiver.url, "events": EVENTS})
    order(world, answers=1, optsOut=0)

    world.send(STRANGER)
    answer = receiver.wait_for("messages.upsert")[0].data
    world.send(STRANGER, "E agora?")
    receiver.wait_for("messages.update", 4)
    world.simulator.messages.pause(0.1)

    assert answer["message"]["conversation"] in ANSWERS
    assert answer["pushName"].endswith("Exemplo")
    assert answer["key"]["remoteJid"] == chat_of(STRANGER)
    assert len(receiver.of("messages.upsert")) == 1


def test_a_person_who_opts_out_says_so_in_words_that_count(world, receiver):
    world.open(webhook={"url": receiver.url, "events": EVENTS})
    order(world, answers=0, optsOut=1)

    world.send(STRANGER)

    assert receiver.wait_for("messages.upsert")[0].data["message"]["conversation"] in WISHES
    assert {wish_in(text) for text in WISHES} == {Wish.OPT_OUT}
    assert {wish_in(text) for text in ANSWERS} == {None}


def test_a_message_to_a_person_who_blocks_is_accepted_and_never_delivered(world, receiver):
    world.open(webhook={"url": receiver.url, "events": EVENTS})
    order(world, blocks=1, answers=1, optsOut=0)

    assert world.send(STRANGER).status_code == 201
    receiver.wait_for("send.message")
    world.simulator.messages.pause(0.2)

    assert receiver.of("messages.update") == receiver.of("messages.upsert") == []
    send = world.http.get("/simulator/sends").get_json()[0]
    assert (send["arrived"], send["fault"]) == (False, "blocked")


def test_an_absent_person_is_unknown_to_look_ups_and_refused_by_sends(world):
    world.open()
    order(world, absent=1)

    found = world.call("POST", "/chat/whatsappNumbers/shop", {"numbers": [STRANGER, FIRST_CUSTOMERS[0][0]]}).get_json()
    refused = world.send(STRANGER)

    unknown = {"jid": chat_of(STRANGER), "exists": False, "number": STRANGER}
    assert unknown in found
    assert [one["exists"] for one in found if one["number"] == FIRST_CUSTOMERS[0][0]] == [True]
    assert refused.status_code == 400
    assert refused.get_json()["response"]["message"] == [unknown]
    assert world.http.get("/simulator/sends").get_json() == []


def test_thousands_of_answers_wait_without_a_thread_or_a_row_each(world):
    world.open()
    order(world, answers=1, optsOut=0, absent=0, delayS=600)
    world.send(STRANGER)
    before, customers = threads(), len(world.simulator.store.customers)

    for number in NUMBERS:
        assert world.send(number).status_code == 201

    assert threads() <= before
    assert len(world.simulator.store.customers) == customers


@pytest.mark.parametrize(
    ("crowd", "reason"),
    [
        ({"reads": 1.1}, "reads must be a number from 0 (nobody) to 1 (everybody)"),
        ({"on": "yes"}, "on must be true or false"),
        ({"seed": 1.5}, "seed must be a whole number"),
        ({"delayS": -1}, "delayS must be a number of seconds"),
        ({"answers": 0.6, "optsOut": 0.6}, "answers and optsOut must not add up to more than 1: nobody does both"),
        (
            {"walks": 1},
            "the crowd has no walks; it has on, reads, answers, optsOut, blocks, absent, delayS, jitterS, seed",
        ),
    ],
)
def test_nonsense_is_refused_in_a_sentence_and_changes_nothing(world, crowd, reason):
    before = world.http.get("/simulator/crowd").get_json()

    answer = world.http.put("/simulator/crowd", json=crowd)

    assert (answer.status_code, answer.get_json()) == (400, {"error": reason})
    assert world.http.get("/simulator/crowd").get_json() == before


def test_the_crowd_of_a_start_is_on_and_as_its_json_says():
    assert read_crowd('{"reads": 0.5}') == CrowdPlan(is_on=True, reads=0.5)


def test_the_crowd_is_changed_by_the_form_of_the_page(world):
    place = {"shop": "", "customer": FIRST_CUSTOMERS[0][0]}
    shares = {"reads": "50", "answers": "12.5", "optsOut": "2", "blocks": "1", "absent": "0"}

    answer = world.http.post("/phone/crowd", data={**place, **shares, "on": "1", "delayS": "3", "jitterS": "2"})

    plan = CrowdPlan(True, 0.5, 0.125, 0.02, 0.01, 0, delay_s=3, jitter_s=2)
    assert (answer.status_code, world.simulator.crowd.plan) == (303, plan)
    shown = world.http.get("/phone").text
    assert 'name="answers" type="number" min="0" max="100" step="any" value="12.5"' in shown
    refused = world.http.post("/phone/crowd", data={**place, **shares, "reads": "101"})
    assert (refused.status_code, world.simulator.crowd.plan) == (400, plan)
