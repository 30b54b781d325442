"""Every clip ends in exactly one outcome, however often and in whatever order this runs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ledger as ledger_module
from contract.clips import ClipKey
from events import ClipRef, clips_in
from failed_events import FailedEvents
from ledger import Claim, Ledger, State
from reconcile_event import event_for
from reconcile_stores import clips_of_letter
from reconciling import Letter, Listed, Reconciler
from tests.fakes.dynamodb import FakeDynamoDB
from tests.fakes.events import recorded

NOW = 10_000.0
AFTER = 1_200.0


def clip(name: str) -> ClipRef:
    key = ClipKey("lab", "2026-11-22", name)
    return ClipRef("bucket", str(key), key, 5, etag=name)


@dataclass
class Turn:
    request_id: str
    looks: int = 10**6

    def lease_s(self) -> float:
        return 60.0

    def has_time(self) -> bool:
        self.looks -= 1
        return self.looks >= 0


@dataclass
class Cloud:
    """A real ledger, and the other ports. A sent clip gets the fate that `fates` names, at once."""

    stored: dict[str, float] = field(default_factory=dict)
    letters: list[Letter] = field(default_factory=list)
    fates: dict[str, str] = field(default_factory=dict)
    results: list[str] = field(default_factory=list)
    sent: list[str] = field(default_factory=list)
    hidden: list[Letter] = field(default_factory=list)
    dynamodb: FakeDynamoDB = field(default_factory=FakeDynamoDB)
    now: float = NOW
    turns: int = 0
    looks: int = 10**6

    def __post_init__(self) -> None:
        self.ledger = Ledger(self.dynamodb, "clips")

    def time(self) -> float:
        return self.now

    def list(self):
        return [Listed(clip(name), at) for name, at in self.stored.items()]

    def take(self):
        self.hidden, self.letters = self.letters, []
        return list(self.hidden)

    def put_back(self, letter):
        self.hidden.remove(letter)
        self.letters.append(letter)

    def delete(self, letter):
        self.hidden.remove(letter)

    def send_letter(self, body: str) -> None:
        self.turns += 1
        self.letters.append(Letter(f"message {self.turns}", "r", clips_of_letter(body)))
        self.check()

    def check(self) -> None:
        named = [ref.key.clip_id for one in (*self.letters, *self.hidden) for ref in one.clips]
        assert not set(named) & set(self.results), "a letter beside a result"

    def answered(self, name: str) -> None:
        self.ledger.claim(clip(name), "earlier", 30)
        self.ledger.answered(clip(name), ())
        self.results.append(name)

    def lettered(self, name: str) -> Letter:
        self.ledger.give_up(clip(name), "earlier", 0)
        self.ledger.note_letter(clip(name), "earlier")
        letter = Letter(f"letter of {name}", "r", (clip(name),))
        self.letters.append(letter)
        return letter

    def state(self, name: str) -> State:
        return self.ledger.read([clip(name).row])[clip(name).row].state

    def send(self, ref):
        name = ref.key.clip_id
        fate = self.fates.get(name, "answered")
        if fate == "unsendable":
            raise ConnectionError
        self.sent.append(name)
        if fate == "lost":
            return
        if fate != "no claim":
            request = f"sent {len(self.sent)}"
            if not self.ledger.claim(ref, request, 0).may_send:
                return
            self.results.append(name)
            self.check()
            if fate == "answered":
                self.ledger.answered(ref, ())
                return
        self.failed(event_for(ref), f"sent {len(self.sent)}")

    def failed(self, event: dict, request: str):
        """All attempts of an event are over."""
        self.turns += 1
        box = type("Box", (), {"send": lambda _, body: self.send_letter(body)})()
        desk = FailedEvents(self.ledger, box, self, Turn(f"failed {self.turns}"))
        return desk.settle({"requestContext": {"requestId": request}, "requestPayload": event})

    def run(self, now: float | None = None):
        self.now = now or self.now
        self.turns += 1
        turn = Turn(f"run {self.turns}", self.looks)
        reconciler = Reconciler(self, self.ledger, self, self, turn, self.time)
        return reconciler.run(AFTER)


@pytest.fixture(autouse=True)
def clock(monkeypatch) -> Iterator[None]:
    """Whatever cloud was made last has the time."""
    made = []
    init = Cloud.__post_init__

    def noted(self) -> None:
        init(self)
        made.append(self)

    class Time:
        def time(self) -> float:
            return made[-1].now

    monkeypatch.setattr(Cloud, "__post_init__", noted)
    monkeypatch.setattr(ledger_module, "time", Time())
    return


def test_a_clip_that_is_kept_longer_than_its_ledger_row_is_not_answered_again():
    """Its row has expired: it looks like a clip that nobody ever answered."""
    week_s = 7 * 86_400
    cloud = Cloud(stored={"answered long ago": NOW - week_s, "lost": NOW - 3 * 86_400})
    done = cloud.run()
    assert cloud.sent == ["lost"]
    assert (done.clips, done.sent, done.too_old) == (2, 1, 1)


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
    cloud = Cloud({"a": 0.0})
    cloud.ledger.claim(clip("a"), "r1", 0.1)
    assert cloud.run().sent == 0
    assert cloud.run(NOW + 0.2).sent == 1


def test_an_answered_clip_is_not_sent():
    cloud = Cloud({"a": 0.0})
    cloud.answered("a")
    assert cloud.run().sent == 0


def test_other_content_under_an_answered_key_is():
    cloud = Cloud({"a": 0.0})
    cloud.ledger.answered(replace(clip("a"), etag="other"), ())
    assert cloud.run().sent == 1


def test_a_letter_that_sqs_delivers_once_more_beside_a_result_is_taken_back():
    cloud = Cloud({"a": 0.0})
    cloud.answered("a")
    cloud.letters.append(Letter("1", "1", (clip("a"),)))
    summary = cloud.run()
    assert (summary.letters, summary.letters_taken_back, cloud.letters) == (0, 1, [])


def test_a_letter_of_two_clips_stays_until_both_are_answered():
    """None is written any more; an older version's may still be there."""
    letter = Letter("1", "1", (clip("a"), clip("b")))
    cloud = Cloud(letters=[letter])
    cloud.ledger.answered(clip("a"), ())
    cloud.run()
    assert cloud.letters == [letter]
    cloud.ledger.answered(clip("b"), ())
    cloud.run()
    assert cloud.letters == []


def test_a_letter_that_is_handed_out_twice_is_one_and_stays():
    """To delete it with either receipt would be to delete it."""
    cloud = Cloud({"a": NOW})
    letter = cloud.lettered("a")
    cloud.letters.append(replace(letter, receipt="another"))
    assert cloud.run().letters_taken_back == 0


def test_two_letters_of_one_clip_become_one():
    cloud = Cloud({"a": NOW})
    cloud.lettered("a")
    cloud.letters.append(Letter("another", "r", (clip("a"),)))
    assert cloud.run().letters_taken_back == 1
    assert len(cloud.letters) == 1


def test_a_letter_that_names_no_clip_is_nobodys_to_delete():
    letters = [Letter("1", "1", ()), Letter("2", "2", ())]
    cloud = Cloud(letters=list(letters))
    cloud.run()
    assert cloud.letters == letters


@pytest.mark.parametrize("has_row", [True, False], ids=["ours", "of an older version"])
def test_a_clip_with_a_letter_is_sent_once_more_and_answered_without_it(has_row):
    cloud = Cloud({"a": 0.0})
    if has_row:
        cloud.lettered("a")
    else:
        cloud.letters.append(Letter("1", "1", (clip("a"),)))
    cloud.run()
    cloud.run()
    assert (cloud.sent, cloud.results, cloud.letters) == (["a"], ["a"], [])


def test_a_clip_whose_letter_went_but_that_could_not_be_sent_is_sent_by_the_next_run():
    cloud = Cloud({"a": 0.0}, fates={"a": "unsendable"})
    cloud.lettered("a")
    cloud.run()
    assert (cloud.sent, cloud.letters) == ([], [])
    cloud.fates.clear()
    cloud.run()
    assert (cloud.results, cloud.letters) == (["a"], [])


def test_a_clip_that_fails_again_keeps_one_letter_and_is_left_alone():
    cloud = Cloud({"a": 0.0}, fates={"a": "no claim"})
    cloud.lettered("a")
    for _ in range(5):
        cloud.run(cloud.now + 100)
    assert cloud.sent == ["a"]
    assert len(cloud.letters) == 1
    assert cloud.state("a") is State.LETTER


def test_a_letter_that_is_in_somebody_elses_hands_is_not_sent_behind_it():
    cloud = Cloud({"a": 0.0})
    cloud.lettered("a")
    cloud.letters.clear()
    assert cloud.run().sent == 0
    assert cloud.ledger.claim(clip("a"), "r", 30) is Claim.GIVEN_UP


@pytest.mark.parametrize("was_written", [True, False])
def test_a_writer_of_a_letter_that_was_killed_leaves_no_clip_without_an_outcome(was_written):
    cloud = Cloud({"a": 0.0})
    cloud.ledger.give_up(clip("a"), "killed", 60)
    if was_written:
        cloud.letters.append(Letter("1", "1", (clip("a"),)))
    assert cloud.run().sent == 0  # it may still be at work
    cloud.run(NOW + 61)
    assert (cloud.results, cloud.letters) == (["a"], [])


@pytest.mark.parametrize("stage", ["taken back", "deleted", "reset"])
def test_a_run_that_was_killed_over_a_letter_leaves_no_clip_without_an_outcome(stage):
    cloud = Cloud({"a": 0.0})
    cloud.lettered("a")
    cloud.ledger.take_back(clip("a"), "killed", 60)
    if stage != "taken back":
        cloud.letters.clear()
    if stage == "reset":
        cloud.ledger.reset(clip("a"), "killed")
    cloud.run(NOW + 61)
    assert (cloud.results, cloud.letters) == (["a"], [])


def test_a_function_killed_after_its_send_again_and_again_never_gets_a_letter():
    """The trap: with the letters as the destination, one stood beside the result for good."""
    cloud = Cloud({"a": 0.0}, fates={"a": "killed after its send"})
    for turn in range(10):
        cloud.run(NOW + 1000 * turn)
        assert cloud.letters == []
    assert len(cloud.sent) == 10, "at each turn, and not in a circle"
    cloud.fates.clear()
    cloud.run(NOW + 20_000)
    assert cloud.state("a") is State.ANSWERED


def test_one_that_cant_be_sent_does_not_keep_the_others_and_is_told():
    cloud = Cloud({"a": 0.0, "b": 0.0}, fates={"a": "unsendable"})
    summary = cloud.run()
    assert (summary.sent, summary.failed, cloud.results) == (1, 1, ["b"])
    cloud.fates.clear()
    cloud.run()
    assert cloud.results == ["b", "a"]


def test_when_its_time_is_over_it_says_so_and_the_letters_are_back():
    letter = Letter("1", "1", ())
    cloud = Cloud({str(n): 0.0 for n in range(250)}, letters=[letter], looks=2)
    summary = cloud.run()
    assert (summary.clips, summary.sent, summary.is_complete) == (200, 200, False)
    assert cloud.letters == [letter]


def test_letters_come_back_when_something_fails():
    letter = Letter("1", "1", (clip("a"),))
    cloud = Cloud({"a": 0.0}, letters=[letter])

    def down():
        raise ConnectionError

    cloud.list = down
    with pytest.raises(ConnectionError):
        cloud.run()
    assert cloud.letters == [letter]


FATES = st.sampled_from(["answered", "no claim", "killed after its send", "lost", "unsendable"])


@given(
    fates=st.lists(st.tuples(FATES, FATES, FATES), min_size=1, max_size=6),
    lettered=st.sets(st.integers(0, 5)),
)
@settings(max_examples=200, deadline=None)
def test_at_rest_every_clip_has_exactly_one_outcome(fates, lettered):
    """Whatever became of each clip's first tries, once sending works again."""
    cloud = Cloud({str(n): 0.0 for n in range(len(fates))})
    for number in lettered:
        if number < len(fates):
            cloud.lettered(str(number))
    for turn in range(3):
        cloud.fates = {str(n): fate[turn] for n, fate in enumerate(fates)}
        cloud.run(cloud.now + 100)
    cloud.fates = {}
    for _ in range(3):
        cloud.run(cloud.now + 100)
    named = [letter.clips[0].key.clip_id for letter in cloud.letters]
    # A result that was sent twice has the same id, and is shown once.
    assert sorted([*set(cloud.results), *named]) == sorted(cloud.stored)


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
