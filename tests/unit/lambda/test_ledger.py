"""One row a clip: of a result and a letter there can be one, whoever is killed where."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
from botocore.exceptions import ClientError
from hypothesis import given, settings
from hypothesis import strategies as st

import ledger as ledger_module
from contract.clips import ClipKey
from events import ClipRef
from ledger import Claim, Ledger, Row, State
from stores import StoreError
from tests.fakes.dynamodb import FakeDynamoDB

KEY = ClipKey("lab", "2026-11-22", "c1")
REF = ClipRef("bucket", str(KEY), KEY, 3, etag="e1")


@dataclass
class Clock:
    now: float = 1000.0

    def time(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(ledger_module, "time", clock)
    return clock


@pytest.fixture
def dynamodb() -> FakeDynamoDB:
    return FakeDynamoDB()


@pytest.fixture
def ledger(dynamodb, clock) -> Ledger:
    return Ledger(dynamodb, "clips")


def state(ledger: Ledger) -> State:
    return ledger.read([REF.row]).get(REF.row, Row()).state


class TestTheFunction:
    def test_the_first_claim_is_ours_and_a_rival_finds_it_in_progress(self, ledger):
        assert ledger.claim(REF, "r1", 30) is Claim.OURS
        assert ledger.claim(REF, "r2", 30) is Claim.IN_PROGRESS

    def test_a_retry_of_the_same_request_may_go_on(self, ledger):
        ledger.claim(REF, "r1", 30)
        assert ledger.claim(REF, "r1", 30) is Claim.RESUMED

    def test_a_lease_holds_to_its_end_and_not_longer(self, ledger, clock):
        ledger.claim(REF, "r1", 30)
        clock.now = 1030.0
        assert ledger.claim(REF, "r2", 30) is Claim.IN_PROGRESS
        clock.now = 1030.01
        assert ledger.claim(REF, "r2", 30) is Claim.RESUMED
        assert ledger.claim(REF, "r1", 30) is Claim.IN_PROGRESS

    def test_an_answered_clip_is_answered_for_everybody_for_ever(self, ledger, clock):
        ledger.claim(REF, "r1", 30)
        ledger.answered(REF, {"ada"})
        clock.now = 9999.0
        assert ledger.claim(REF, "r1", 30) is Claim.ANSWERED
        assert ledger.claim(REF, "r2", 30) is Claim.ANSWERED

    def test_other_content_under_the_same_key_is_claimed_for_itself(self, ledger):
        ledger.claim(REF, "r1", 30)
        ledger.answered(REF, ())
        assert ledger.claim(replace(REF, etag="e2"), "r2", 30) is Claim.OURS

    def test_a_row_says_who_was_named_and_where_and_when_it_may_go(self, ledger, dynamodb):
        ledger.claim(REF, "r1", 30)
        ledger.answered(REF, ["bob", "ada", "bob"])
        (row,) = dynamodb.rows("clips").values()
        assert row["person_ids"] == {"SS": ["ada", "bob"]}
        assert row["object_key"] == {"S": REF.object_key}
        assert row["expires_at"] == {"N": str(1000 + 7 * 86400)}

    def test_nobody_named_leaves_no_set_since_an_empty_one_is_refused(self, ledger, dynamodb):
        ledger.claim(REF, "r1", 30)
        ledger.answered(REF, ())
        (row,) = dynamodb.rows("clips").values()
        assert "person_ids" not in row

    def test_an_outage_is_not_a_rival(self, ledger, dynamodb):
        dynamodb.problem = ClientError({"Error": {"Code": "InternalServerError"}}, "UpdateItem")
        with pytest.raises(ClientError):
            ledger.claim(REF, "r1", 30)

    def test_what_was_let_go_is_as_if_nobody_had_come(self, ledger):
        ledger.claim(REF, "r1", 30)
        ledger.let_go(REF, "r1")
        assert state(ledger) is State.NOTHING
        assert ledger.claim(REF, "r2", 30) is Claim.OURS

    def test_nobody_lets_another_ones_claim_go(self, ledger, clock):
        ledger.claim(REF, "r1", 30)
        clock.now += 31
        ledger.claim(REF, "r2", 30)
        ledger.let_go(REF, "r1")
        assert ledger.claim(REF, "r3", 30) is Claim.IN_PROGRESS


class TestTheReconciler:
    def test_a_clip_that_nobody_came_to_is_given_up_and_then_not_answered(self, ledger):
        assert ledger.give_up(REF, "x1", 60) is None
        assert ledger.claim(REF, "r1", 30) is Claim.GIVEN_UP
        ledger.note_letter(REF, "x1")
        assert ledger.read([REF.row])[REF.row] == Row(State.LETTER), "nobody's business any more"
        assert ledger.claim(REF, "r1", 30) is Claim.GIVEN_UP

    def test_one_whose_result_may_be_out_is_never_given_up(self, ledger, clock):
        ledger.claim(REF, "r1", 30)
        clock.now += 86400
        assert ledger.give_up(REF, "x1", 60) == Row(State.STARTED, 1030.0, "r1")
        assert not ledger.take_back(REF, "x1", 60)
        assert ledger.claim(REF, "r2", 30) is Claim.RESUMED

    def test_an_answered_one_is_not_either(self, ledger):
        ledger.claim(REF, "r1", 30)
        ledger.answered(REF, ())
        refused = ledger.give_up(REF, "x1", 60)
        assert refused is not None
        assert refused.state is State.ANSWERED

    def test_a_writer_of_a_letter_that_was_killed_may_go_on_others_wait_for_its_end(
        self, ledger, clock
    ):
        ledger.give_up(REF, "x1", 60)
        assert ledger.give_up(REF, "x1", 60) is None
        assert ledger.give_up(REF, "x2", 60) is not None
        assert not ledger.take_back(REF, "x2", 60)
        clock.now += 60.01
        assert ledger.take_back(REF, "x2", 60)
        ledger.note_letter(REF, "x1")  # it comes too late
        assert state(ledger) is State.FAILED

    def test_a_letter_that_was_taken_back_leaves_the_clip_to_be_answered(self, ledger):
        ledger.give_up(REF, "x1", 60)
        ledger.note_letter(REF, "x1")
        assert ledger.take_back(REF, "x2", 60)
        assert ledger.claim(REF, "r1", 30) is Claim.GIVEN_UP  # its letter may still stand
        assert ledger.reset(REF, "x2")
        assert ledger.claim(REF, "r1", 30) is Claim.OURS
        assert ledger.read([REF.row])[REF.row].was_sent_again

    def test_a_letter_is_not_written_twice(self, ledger, clock):
        ledger.give_up(REF, "x1", 60)
        ledger.note_letter(REF, "x1")
        clock.now += 86400
        refused = ledger.give_up(REF, "x2", 60)
        assert refused is not None
        assert refused.state is State.LETTER

    def test_calls_that_are_repeated_since_their_answer_was_lost(self, ledger):
        assert ledger.give_up(REF, "x1", 60) is None
        assert ledger.give_up(REF, "x1", 60) is None
        ledger.note_letter(REF, "x1")
        ledger.note_letter(REF, "x1")
        assert ledger.take_back(REF, "x2", 60)
        assert ledger.take_back(REF, "x2", 60)

    def test_the_lease_of_a_request_that_is_over_ends_its_row_stays(self, ledger):
        ledger.claim(REF, "r1", 30)
        assert ledger.free(REF, "r1")
        assert ledger.claim(REF, "r2", 30) is Claim.RESUMED
        assert not ledger.free(REF, "r1")
        assert ledger.claim(REF, "r3", 30) is Claim.IN_PROGRESS

    def test_rows_are_read_in_bulk_and_handed_back_ones_again(self):
        dynamodb = FakeDynamoDB(unprocessed=lambda asked: asked // 2 if asked > 20 else 0)
        for n in range(250):
            dynamodb.rows("clips")[f"r{n}"] = {"clip": {"S": f"r{n}"}, "status": {"S": "answered"}}
        dynamodb.rows("clips")["r7"] = {
            "clip": {"S": "r7"}, "status": {"S": "started"}, "lease_until": {"N": "12.5"},
            "request_id": {"S": "q"}, "sent_again": {"BOOL": True},
        }  # fmt: skip
        found = Ledger(dynamodb, "clips").read([*(f"r{n}" for n in range(260)), "r1"])
        assert len(found) == 250
        assert found["r1"] == Row(State.ANSWERED)
        assert found["r7"] == Row(State.STARTED, 12.5, "q", True)

    def test_a_table_that_never_gives_them_is_an_error(self):
        table = Ledger(FakeDynamoDB(unprocessed=lambda asked: asked), "clips")
        with pytest.raises(StoreError):
            table.read(["r1"])

    def test_nothing_is_asked_for_without_rows(self, ledger, dynamodb):
        assert ledger.read([]) == {}
        assert dynamodb.calls == []


STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ["claim", "send", "answered", "let_go", "give_up", "letter", "note", "take", "delete",
             "reset", "free", "wait"]
        ),
        st.sampled_from(["1", "2"]),
    ),
    max_size=40,
)  # fmt: skip


@given(steps=STEPS)
@settings(max_examples=200, deadline=None)
def test_whoever_does_what_when_a_letter_never_stands_beside_a_result(steps):
    """Everybody keeps to the order of their own calls, and may stop, or go on, at any of them."""
    clock = Clock()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ledger_module, "time", clock)
        play(Ledger(FakeDynamoDB(), "clips"), clock, steps)


def play(ledger: Ledger, clock: Clock, steps: list[tuple[str, str]]) -> None:
    results, letters = 0, 0
    until: dict[str, float] = {}  # who may do something that others see, and for how long

    def may(who: str) -> bool:
        return until.get(who, 0) > clock.now

    for step, who in steps:
        if step == "wait":
            clock.now += 20
        elif step == "claim":
            until.pop(f"send {who}", None)
            if ledger.claim(REF, f"f{who}", 30).may_send:
                until[f"send {who}"] = clock.now + 30
        elif step == "send" and may(f"send {who}"):
            results += 1
        elif step == "answered" and results and may(f"send {who}"):
            ledger.answered(REF, ())
        elif step == "let_go" and may(f"send {who}") and not results:
            ledger.let_go(REF, f"f{who}")
            until.pop(f"send {who}")
        elif step == "free" and not may(f"send {who}"):
            ledger.free(REF, f"f{who}")
        elif step == "give_up" and ledger.give_up(REF, f"x{who}", 60) is None:
            until[f"letter {who}"] = clock.now + 60
        elif step == "letter" and may(f"letter {who}"):
            letters += 1
        elif step == "note" and may(f"letter {who}") and letters:
            ledger.note_letter(REF, f"x{who}")
            until.pop(f"letter {who}")
        elif step == "take" and ledger.take_back(REF, f"s{who}", 60):
            until[f"take {who}"] = clock.now + 60
        elif step == "delete" and may(f"take {who}"):
            letters = 0
        elif step == "reset" and may(f"take {who}") and not letters:
            ledger.reset(REF, f"s{who}")
            until.pop(f"take {who}")
        assert not (results and letters)
