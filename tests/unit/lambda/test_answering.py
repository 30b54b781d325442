"""The function's flow on in-memory stores: one result per clip, whatever happens."""

from dataclasses import replace
from threading import Event
from types import SimpleNamespace

import pytest

from answering import MAX_CLIP_BYTES, people_in
from contract.results import Box, Status
from stores import NotSent, StoreError, UnknownDevice
from tests.fakes.answering_world import ADA, Killed, clip


def test_known_person_is_looked_up_and_sent_once():
    world, ref = clip()
    world.answer(ref, cold_start=True)
    (sent,) = world.outbox.sent
    assert sent.status is Status.RECOGNIZED
    assert sent.faces[0].online.person == ADA
    assert sent.faces[0].custom.status is Status.UNKNOWN
    assert (sent.capture_start_ms, sent.capture_end_ms, sent.sequence) == (1000, 1500, 4)
    assert (sent.cold_start, sent.init_ms) == (True, 800.0)
    assert world.ledger.people == {ref.object_key: {"ada"}}
    assert {"claim", "fetch", "recognize", "look_up", "decode"} <= sent.stages_ms.keys()


def test_no_face_is_an_answer_too():
    world, ref = clip(b"nobody")
    assert world.answer(ref).status is Status.NO_FACE


def test_clip_that_is_no_video_is_rejected_with_its_reason():
    world, ref = clip(b"garbage")
    world.answer(ref)
    (sent,) = world.outbox.sent
    assert (sent.status, sent.reason) == (Status.REJECTED, "not H.264")
    assert sent.capture_end_ms == 1500


@pytest.mark.parametrize(("over", "fetched"), [(0, 1), (1, 0)], ids=["at the limit", "above"])
def test_size_limit_is_checked_before_the_clip_is_read(over, fetched):
    world, ref = clip()
    world.clips.objects.clear()
    huge = replace(ref, size_bytes=MAX_CLIP_BYTES + over)
    assert world.answer(huge).reason.startswith("too large" if over else "gone")
    assert world.clips.fetched == fetched


def test_clip_that_is_larger_than_its_event_said_is_rejected():
    world, ref = clip(b"x" * (MAX_CLIP_BYTES + 1))
    result = world.answer(replace(ref, size_bytes=5))
    assert (result.status, result.reason) == (
        Status.REJECTED,
        f"too large: {MAX_CLIP_BYTES + 1} bytes, over 32 MiB",
    )


def test_clip_deleted_before_the_read_is_rejected():
    world, ref = clip()
    world.clips.objects.clear()
    assert world.answer(ref).reason == "gone: deleted before it could be read"


def test_clip_written_over_before_the_read_is_not_answered_with_the_other_ones_faces():
    world, ref = clip()
    first = world.answer(replace(ref, etag="e0"))
    second = world.answer(ref)
    assert first.reason == "gone: written over before it could be read"
    assert second.status is Status.RECOGNIZED
    assert first.clip_id == second.clip_id
    assert first.result_id != second.result_id


def test_name_that_is_no_clips_is_rejected_unread():
    world, ref = clip()
    result = world.answer(replace(ref, refusal="no clip: too long"))
    assert (result.status, result.reason) == (Status.REJECTED, "no clip: too long")
    assert world.clips.fetched == 0
    assert world.answer(replace(ref, refusal="no clip: too long"), "r2") is None


def test_event_without_etag_is_the_same_clip_as_one_with_it():
    world, ref = clip()
    by_hand = world.answer(replace(ref, etag="", size_bytes=0), "r1")
    assert by_hand.status is Status.RECOGNIZED
    assert world.answer(ref, "r2") is None


def test_pictures_and_what_was_missed_are_told():
    world, ref = clip()
    result = world.answer(ref)
    assert (result.frames_seen, result.frames_decoded, result.frames_skipped) == (15, 2, 13)
    assert (result.status, result.reason) == (Status.RECOGNIZED, "half of it was damaged")


def test_clip_dropped_by_hand_carries_no_times():
    world, ref = clip(metadata={})
    assert world.answer(ref).capture_end_ms is None


def test_broken_metadata_costs_the_times_not_the_answer():
    world, ref = clip(metadata={"capture-start-ms": "soon"})
    result = world.answer(ref)
    assert (result.status, result.capture_start_ms) == (Status.RECOGNIZED, None)


def test_person_removed_between_recognition_and_look_up():
    world, ref = clip()
    world.people.rows.clear()
    result = world.answer(ref)
    assert result.status is Status.UNKNOWN
    assert (result.faces[0].person_id, result.faces[0].online.person) == (None, None)


def test_repeated_event_is_answered_once():
    world, ref = clip()
    world.answer(ref, "r1")
    assert world.answer(ref, "r2") is None
    assert len(world.outbox.sent) == 1


def test_function_killed_before_the_send_answers_on_the_retry():
    world, ref = clip()
    world.outbox.killed_before = True
    with pytest.raises(Killed):
        world.answer(ref, "r1")
    assert not world.outbox.sent
    assert world.answer(ref, "r1").status is Status.RECOGNIZED


def test_duplicate_event_while_the_first_is_in_progress_is_no_failure():
    """As one, it would be repeated, and end in a letter beside the first one's result."""
    world, ref = clip()
    world.ledger.claim(ref, "r1", 30)
    assert world.answer(ref, "r2") is None
    assert not world.outbox.sent


def test_ledger_that_fails_after_the_send_does_not_fail_the_clip():
    world, ref = clip()
    world.ledger.problem = StoreError("down")
    assert world.answer(ref, "r1").status is Status.RECOGNIZED
    world.ledger.problem = None
    world.answer(ref, "r1")
    first, second = world.outbox.sent
    assert first.result_id == second.result_id  # the device shows it once


def test_gallery_that_cant_be_read_is_a_retry_not_an_unknown_person():
    world, ref = clip()
    world.recognizer.problem = StoreError("no gallery")
    with pytest.raises(StoreError):
        world.answer(ref)
    assert not world.outbox.sent


def test_gallery_that_cant_be_read_does_not_matter_to_a_clip_that_is_gone():
    world, ref = clip()
    world.recognizer.problem = StoreError("no gallery")
    world.clips.objects.clear()
    assert world.answer(ref).status is Status.REJECTED


class TestTheClaim:
    """A row says `started` if, and only if, the result may be out: it decides about a letter."""

    @pytest.fixture
    def lookless(self):
        world, ref = clip()

        def never_ends(_):
            raise Killed

        world.recognizer.recognize = never_ends
        return world, ref

    def test_a_clip_that_kills_the_function_while_it_is_looked_at_is_not_claimed(self, lookless):
        world, ref = lookless
        with pytest.raises(Killed):
            world.answer(ref)
        assert world.ledger.rows == {}

    def test_a_device_without_a_queue_is_known_before(self):
        world, ref = clip()
        world.outbox.no_queue = True
        with pytest.raises(UnknownDevice):
            world.answer(ref)
        assert world.ledger.rows == {}

    def test_a_people_table_that_fails_lets_it_go(self):
        world, ref = clip()
        claim, claimed = world.ledger.claim, Event()
        world.ledger.claim = lambda *about: (claim(*about), claimed.set())[0]

        def fail(_):
            assert claimed.wait(10)
            raise StoreError("down")

        world.people.look_up = fail
        with pytest.raises(StoreError):
            world.answer(ref)
        assert world.ledger.rows == {}

    def test_a_result_that_was_refused_lets_it_go(self):
        world, ref = clip()
        world.outbox.problem = NotSent("too long")
        with pytest.raises(NotSent):
            world.answer(ref)
        assert world.ledger.rows == {}

    def test_a_result_that_may_have_been_taken_does_not(self):
        world, ref = clip()
        world.outbox.problem = TimeoutError()
        with pytest.raises(TimeoutError):
            world.answer(ref)
        assert world.ledger.rows == {ref.row: ("started", "r1")}

    @pytest.mark.parametrize("later", [NotSent("refused"), StoreError("no people")])
    def test_nor_does_a_later_attempt_that_surely_sent_nothing(self, later):
        """The first one may have."""
        world, ref = clip()
        world.outbox.problem = TimeoutError()
        with pytest.raises(TimeoutError):
            world.answer(ref)
        target = world.outbox if isinstance(later, NotSent) else world.people
        target.problem = later
        with pytest.raises(type(later)):
            world.answer(ref)
        assert world.ledger.rows == {ref.row: ("started", "r1")}

    def test_a_clip_that_was_given_up_is_not_answered(self):
        world, ref = clip()
        world.ledger.rows[ref.row] = ("letter", "")
        assert world.answer(ref) is None
        assert not world.outbox.sent


class TestForgotten:
    """Somebody without a row in the people table has no name to be shown, whoever knew it."""

    def verdicts(self, *, online=None, custom=None):
        face = clip_face(online, custom)
        return SimpleNamespace(
            frames_seen=1, frames_decoded=1, faces=(face,), stages_ms={}, reason=None
        )

    @pytest.mark.parametrize(
        ("online", "custom"), [("ada", None), (None, "ada"), ("ada", "ada"), ("ada", "bob")]
    )
    def test_neither_model_names_a_forgotten_person(self, online, custom):
        world, ref = clip()
        world.people.rows = {"bob": replace(ADA, person_id="bob", name="Bob")}
        world.recognizer.recognize = lambda _: self.verdicts(online=online, custom=custom)
        result = world.answer(ref)
        (face,) = result.faces
        assert (face.status, face.person_id) == (Status.UNKNOWN, None)
        for identity, person_id in ((face.online, online), (face.custom, custom)):
            assert (identity.person is not None) == (person_id == "bob")
            assert (identity.status is Status.RECOGNIZED) == (person_id == "bob")
        assert people_in(result) == ({"bob"} if custom == "bob" else set())
        assert "Ada" not in result.to_json()
        assert "ada" not in result.to_json()


class TestNothingIsLeft:
    """A function is frozen between its invocations: what still runs then wakes up in the next."""

    @pytest.mark.parametrize("slow", ["refresh", "reach"])
    def test_an_answer_that_needs_nothing_more_waits_for_what_was_begun(self, slow):
        world, ref = clip()
        world.clips.objects.clear()
        begun, ended = Event(), Event()

        def step(*_):
            begun.set()
            Event().wait(0.2)  # the work itself
            ended.set()

        target = world.recognizer if slow == "refresh" else world.outbox
        setattr(target, slow, step)
        world.answer(ref)
        assert ended.is_set() == begun.is_set()

    def test_what_goes_wrong_with_letting_go_does_not_hide_what_went_wrong_before(self):
        world, ref = clip()
        world.people.problem = StoreError("no people")
        world.ledger.claim = lambda *_: 1 / 0
        with pytest.raises(StoreError, match="no people"):
            world.answer(ref)

    def test_a_claim_that_is_another_attempts_is_not_let_go(self):
        world, ref = clip()
        world.ledger.rows[ref.row] = ("started", "r1")
        world.people.problem = StoreError("no people")
        with pytest.raises(StoreError):
            world.answer(ref, "r1")
        assert world.ledger.rows == {ref.row: ("started", "r1")}


@pytest.mark.parametrize("problem", ["gone", "too large"])
def test_an_event_without_etag_of_a_clip_that_cant_be_read_is_rejected_not_retried(problem):
    world, ref = clip(b"x" * (MAX_CLIP_BYTES + 1))
    if problem == "gone":
        world.clips.objects.clear()
    assert world.answer(replace(ref, etag="", size_bytes=5)).reason.startswith(problem)


def test_scores_are_told_as_finely_as_they_mean_something():
    world, ref = clip()
    found = world.recognizer.recognize(b"ada")
    found.faces[0].detection_score, found.faces[0].blur = 0.98765, 12.345
    world.recognizer.recognize = lambda _: found
    (face,) = world.answer(ref).faces
    assert (face.detection_score, face.blur) == (0.988, 12.3)


def clip_face(online, custom):
    def verdict(person_id):
        status = "recognized" if person_id else "unknown"
        return SimpleNamespace(status=status, person_id=person_id, score=0.9, distance=None)

    return SimpleNamespace(
        box=Box(1, 2, 3, 0), detection_score=0.9, size_px=100, blur=50.0, frames_used=2,
        status="recognized", person_id=online or custom, online=verdict(online),
        custom=verdict(custom), agree=online == custom,
    )  # fmt: skip
