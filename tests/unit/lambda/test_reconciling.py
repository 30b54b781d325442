"""Every clip ends in exactly one outcome, however often and in whatever order this runs."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.clips import ClipKey
from events import ClipRef, clips_in
from reconcile_stores import LedgerTable, clips_of_letter, event_for
from reconciling import Letter, Listed, Reconciler, Row
from stores import Claim, Ledger, StoreError
from tests.fakes.dynamodb import FakeDynamoDB
from tests.fakes.events import recorded

NOW = 10_000.0
AFTER = 1_200.0


def clip(name: str) -> ClipRef:
    key = ClipKey("lab", "2026-11-22", name)
    return ClipRef("bucket", str(key), key, 5, etag=name)


@dataclass
class Cloud:
    """The four ports at once. A sent clip gets the fate that `fates` names, at once."""

    stored: dict[str, float] = field(default_factory=dict)
    rows: dict[str, Row] = field(default_factory=dict)
    letters: list[Letter] = field(default_factory=list)
    fates: dict[str, str] = field(default_factory=dict)
    results: list[str] = field(default_factory=list)
    sent: list[str] = field(default_factory=list)
    hidden: list[Letter] = field(default_factory=list)
    looks: int = 10**6

    def list(self):
        return [Listed(clip(name), at) for name, at in self.stored.items()]

    def read(self, rows):
        return {row: self.rows[row] for row in rows if row in self.rows}

    def note_sent_again(self, ref):
        self.rows[ref.row] = replace(self.rows.get(ref.row, Row()), was_sent_again=True)

    def take(self):
        self.hidden, self.letters = self.letters, []
        return list(self.hidden)

    def put_back(self, letter):
        self.hidden.remove(letter)
        self.letters.append(letter)

    def delete(self, letter):
        self.hidden.remove(letter)

    def send(self, ref):
        name = ref.key.clip_id
        fate = self.fates.get(name, "answered")
        if fate == "unsendable":
            raise ConnectionError
        self.sent.append(name)
        row = self.rows.get(ref.row, Row())
        if row.is_answered or fate == "lost":
            return
        if fate == "answered":
            beside = [one for one in (*self.letters, *self.hidden) if one.clips == (ref,)]
            assert beside == [], "a letter stands beside the result until the next run"
            self.results.append(name)
            self.rows[ref.row] = replace(row, is_answered=True)
        else:
            self.letters.append(Letter(f"receipt {len(self.sent)}", (ref,)))

    def has_time(self):
        self.looks -= 1
        return self.looks >= 0

    def run(self, now: float = NOW):
        return Reconciler(self, self, self, self, lambda: now, self.has_time).run(AFTER)


def test_a_clip_without_an_outcome_is_sent_again():
    cloud = Cloud({"a": 0.0})
    summary = cloud.run()
    assert cloud.sent == ["a"]
    assert (summary.clips, summary.sent, summary.is_complete) == (1, 1, True)


def test_running_again_does_no_harm():
    cloud = Cloud({"a": 0.0})
    cloud.run()
    assert cloud.run().sent == 0
    assert cloud.results == ["a"]


@pytest.mark.parametrize(("age", "is_sent"), [(AFTER - 0.1, False), (AFTER, True)])
def test_a_clip_is_given_its_time_and_no_more(age, is_sent):
    cloud = Cloud({"a": NOW - age})
    assert cloud.run().sent == is_sent


def test_a_clip_that_an_invocation_works_on_is_left_alone():
    cloud = Cloud({"a": 0.0}, {clip("a").row: Row(lease_until_s=NOW + 0.1)})
    assert cloud.run().sent == 0
    assert cloud.run(NOW + 0.1).sent == 1


def test_an_answered_clip_is_not_sent():
    cloud = Cloud({"a": 0.0}, {clip("a").row: Row(is_answered=True)})
    assert cloud.run().sent == 0


def test_other_content_under_an_answered_key_is():
    cloud = Cloud({"a": 0.0}, {replace(clip("a"), etag="other").row: Row(is_answered=True)})
    assert cloud.run().sent == 1


def test_a_letter_beside_a_result_is_taken_back():
    cloud = Cloud({"a": 0.0}, {clip("a").row: Row(is_answered=True)}, [Letter("1", (clip("a"),))])
    summary = cloud.run()
    assert (summary.letters, summary.letters_taken_back, cloud.letters) == (0, 1, [])


def test_a_letter_of_two_clips_stays_until_both_are_answered():
    letter = Letter("1", (clip("a"), clip("b")))
    cloud = Cloud({}, {clip("a").row: Row(is_answered=True)}, [letter])
    cloud.run()
    assert cloud.letters == [letter]
    cloud.rows[clip("b").row] = Row(is_answered=True)
    cloud.run()
    assert cloud.letters == []


def test_a_letter_that_names_no_clip_is_nobodys_to_delete():
    letters = [Letter("1", ()), Letter("2", ())]
    cloud = Cloud(letters=list(letters))
    cloud.run()
    assert cloud.letters == letters


def test_a_clip_with_a_letter_is_sent_once_more_and_answered_without_it():
    cloud = Cloud({"a": 0.0}, letters=[Letter("1", (clip("a"),))])
    cloud.run()
    cloud.run()
    assert (cloud.sent, cloud.results, cloud.letters) == (["a"], ["a"], [])


def test_a_clip_whose_letter_went_but_that_could_not_be_sent_is_sent_by_the_next_run():
    cloud = Cloud({"a": 0.0}, letters=[Letter("1", (clip("a"),))], fates={"a": "unsendable"})
    cloud.run()
    assert (cloud.sent, cloud.letters) == ([], [])
    cloud.fates.clear()
    cloud.run()
    assert (cloud.results, cloud.letters) == (["a"], [])


def test_a_clip_that_fails_again_keeps_one_letter_and_is_left_alone():
    cloud = Cloud({"a": 0.0}, letters=[Letter("1", (clip("a"),))], fates={"a": "letter"})
    for _ in range(5):
        cloud.run()
    assert cloud.sent == ["a"]
    assert len(cloud.letters) == 1


def test_one_that_cant_be_sent_does_not_keep_the_others_and_is_told():
    cloud = Cloud({"a": 0.0, "b": 0.0}, fates={"a": "unsendable"})
    summary = cloud.run()
    assert (summary.sent, summary.failed, cloud.results) == (1, 1, ["b"])
    cloud.fates.clear()
    cloud.run()
    assert cloud.results == ["b", "a"]


def test_when_its_time_is_over_it_says_so_and_the_letters_are_back():
    letter = Letter("1", ())
    cloud = Cloud({str(n): 0.0 for n in range(250)}, letters=[letter], looks=2)
    summary = cloud.run()
    assert (summary.clips, summary.sent, summary.is_complete) == (200, 200, False)
    assert cloud.letters == [letter]


def test_letters_come_back_when_something_fails():
    letter = Letter("1", (clip("a"),))
    cloud = Cloud({"a": 0.0}, letters=[letter])

    def down():
        raise ConnectionError

    cloud.list = down
    with pytest.raises(ConnectionError):
        cloud.run()
    assert cloud.letters == [letter]


FATES = st.sampled_from(["answered", "letter", "lost"])


@given(
    fates=st.lists(st.tuples(FATES, FATES, FATES), min_size=1, max_size=6),
    lettered=st.sets(st.integers(0, 5)),
)
@settings(max_examples=300, deadline=None)
def test_at_rest_every_clip_has_exactly_one_outcome(fates, lettered):
    """Whatever became of each clip's first tries, once sending works again."""
    cloud = Cloud({str(n): 0.0 for n in range(len(fates))})
    for number in lettered:
        if number < len(fates):
            cloud.letters.append(Letter(f"first {number}", (clip(str(number)),)))
    for turn in range(3):
        cloud.fates = {str(n): fate[turn] for n, fate in enumerate(fates)}
        cloud.run()
    cloud.fates = {}
    for _ in range(3):
        cloud.run()
    named = [letter.clips[0].key.clip_id for letter in cloud.letters]
    assert sorted(cloud.results + named) == sorted(cloud.stored)


def test_the_event_that_is_sent_names_exactly_the_clip():
    key = "clips/lab/by hand/größe+%2B\n.h264"
    ref = ClipRef("bucket", key, ClipKey.parse(key), 5, etag="e1")
    assert list(clips_in(json.loads(json.dumps(event_for(ref))))) == [ref]


class TestLetters:
    def test_the_clips_of_what_lambda_sends_to_a_failure_destination(self):
        body = {
            "version": "1.0",
            "requestContext": {"condition": "RetriesExhausted", "approximateInvokeCount": 3},
            "requestPayload": recorded("s3-put"),
            "responsePayload": {"errorType": "UnknownDevice"},
        }
        (ref,) = clips_of_letter(json.dumps(body))
        assert ref.row == next(clips_in(recorded("s3-put"))).row

    @pytest.mark.parametrize(
        "body", ["", "x", "[]", "7", "{}", '{"requestPayload": 5}', "[" * 100_000,
                 '{"requestPayload": {"after_minutes": 2}}', '{"requestPayload": {"Records": 1}}'],
    )  # fmt: skip
    def test_a_message_of_another_kind_names_none(self, body):
        assert clips_of_letter(body) == ()


class TestLedgerTable:
    def test_rows_are_read_in_bulk_and_handed_back_ones_again(self):
        dynamodb = FakeDynamoDB(unprocessed=lambda asked: asked // 2 if asked > 20 else 0)
        for n in range(250):
            dynamodb.rows("clips")[f"r{n}"] = {"clip": {"S": f"r{n}"}, "status": {"S": "answered"}}
        dynamodb.rows("clips")["r7"] = {
            "clip": {"S": "r7"}, "status": {"S": "started"}, "lease_until": {"N": "12.5"},
            "sent_again": {"BOOL": True},
        }  # fmt: skip
        found = LedgerTable(dynamodb, "clips").read([*(f"r{n}" for n in range(260)), "r1"])
        assert len(found) == 250
        assert found["r1"] == Row(is_answered=True)
        assert found["r7"] == Row(False, 12.5, True)

    def test_a_table_that_never_gives_them_is_an_error(self):
        table = LedgerTable(FakeDynamoDB(unprocessed=lambda asked: asked), "clips")
        with pytest.raises(StoreError):
            table.read(["r1"])

    def test_nothing_is_asked_for_without_rows(self):
        dynamodb = FakeDynamoDB()
        assert LedgerTable(dynamodb, "clips").read([]) == {}
        assert dynamodb.calls == []

    def test_a_note_leaves_the_rest_of_the_row(self):
        dynamodb = FakeDynamoDB()
        row = {"clip": {"S": clip("a").row}, "status": {"S": "started"}}
        dynamodb.rows("clips")[clip("a").row] = row
        table = LedgerTable(dynamodb, "clips")
        table.note_sent_again(clip("a"))
        assert table.read([clip("a").row]) == {clip("a").row: Row(was_sent_again=True)}
        assert dynamodb.rows("clips")[clip("a").row]["status"] == {"S": "started"}

    def test_a_clip_that_only_has_a_letter_can_be_claimed_after_the_note(self):
        """Its row then holds the note and nothing else."""
        dynamodb = FakeDynamoDB()
        LedgerTable(dynamodb, "clips").note_sent_again(clip("a"))
        assert Ledger(dynamodb, "clips").claim(clip("a"), "r1", 30) is Claim.OURS
        Ledger(dynamodb, "clips").answered(clip("a"), ())
        (row,) = LedgerTable(dynamodb, "clips").read([clip("a").row]).values()
        assert row.is_answered
        assert row.was_sent_again
