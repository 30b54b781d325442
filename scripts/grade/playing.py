"""Play a workload at a solution, by the calls that a course's own graders make."""

from __future__ import annotations

import base64
import contextlib
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any

import requests
from botocore.exceptions import ClientError

from cloud.switch import Switch
from contract.results import Person
from scripts.console import Progress
from scripts.grade.course import ObjectPlace, Workload
from scripts.grade.material import Piece
from scripts.grade.seen import AnsweredPiece, as_object, named_in, plain

POLL_S = 0.1
GIVE_UP_AFTER = 3
Class = Sequence[Person]


class WorkloadPlayer:
    """What the ways of playing have in common: outcomes, and when nothing more is to come."""

    def __init__(self, switch: Switch, workload: Workload, people: Class, progress: Progress):
        self._switch = switch
        self._workload = workload
        self._people = people
        self._progress = progress
        self._name_of = {one.person_id: one.name for one in people}

    def is_right(self, said: str, person_id: str) -> bool:
        return plain(said) in (plain(person_id), plain(self._name_of.get(person_id, person_id)))

    def paced(self, pieces: Sequence[Piece]) -> Iterator[Piece]:
        """Each piece when its time has come."""
        began = time.monotonic()
        for number, piece in enumerate(pieces):
            wait = began + number / self._workload.rate_per_s - time.monotonic()
            if wait > 0:
                time.sleep(wait)  # the workload's own pace
            yield piece


class RequestPlayer(WorkloadPlayer):
    """Pictures to a function's URL, answers from a queue, matched by their request ids."""

    def play(self, pieces: Sequence[Piece]) -> list[AnsweredPiece]:
        url = self._url()
        if url is None:
            trouble = f"{self._workload.url_of} has no function URL"
            return [AnsweredPiece(one.name, one.person, trouble=trouble) for one in pieces]
        self._asked: dict[str, tuple[Piece, float]] = {}
        self._found: dict[str, AnsweredPiece] = {}
        self._refused: dict[str, str] = {}
        self._heard = time.monotonic()
        self._all_sent = threading.Event()
        listener = threading.Thread(target=self._listen, daemon=True)
        listener.start()
        with ThreadPoolExecutor(32, thread_name_prefix="grade-requests") as pool:
            for piece in self.paced(pieces):
                if len(self._refused) >= GIVE_UP_AFTER > len(self._found):
                    break  # a URL that refuses everything will go on doing so
                pool.submit(self._ask, url, piece)
        self._all_sent.set()
        listener.join()
        return [self._outcome(piece) for piece in pieces]

    def _url(self) -> str | None:
        client = self._switch.client("lambda")
        try:
            found = client.get_function_url_config(FunctionName=self._workload.url_of)
        except client.exceptions.ResourceNotFoundException:
            return None
        return str(found["FunctionUrl"])

    def _ask(self, url: str, piece: Piece) -> None:
        request_id = str(uuid.uuid4())
        content = base64.b64encode(piece.body).decode()
        body = {"request_id": request_id, "content": content, "filename": f"{piece.name}.jpg"}
        self._asked[request_id] = (piece, time.monotonic())
        try:
            answer = requests.post(
                url, json=body, timeout=self._workload.patience_s, proxies={"http": "", "https": ""}
            )
        except requests.RequestException as error:
            self._refused[piece.name] = f"the URL did not answer: {type(error).__name__}"
            return
        self._heard = time.monotonic()
        if answer.status_code != 200:
            said = " ".join(answer.text.split())[:120]
            self._refused[piece.name] = f"the URL answered {answer.status_code}: {said}"

    def _listen(self) -> None:
        sqs = self._switch.client("sqs")
        try:
            queue = sqs.get_queue_url(QueueName=self._workload.queue)["QueueUrl"]
        except sqs.exceptions.QueueDoesNotExist:
            return
        while not self._is_done():
            got = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=1, MaxNumberOfMessages=10)
            for message in got.get("Messages", ()):
                self._take(message["Body"], time.monotonic())
                sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])

    def _is_done(self) -> bool:
        if not self._all_sent.is_set():
            return False
        missing = len(self._asked) - len(self._found) - len(self._refused)
        return missing <= 0 or time.monotonic() - self._heard > self._workload.patience_s

    def _take(self, text: str, at: float) -> None:
        answer = as_object(text)
        asked = self._asked.get(str(answer.get("request_id")))
        if asked is None or asked[0].name in self._found:
            return
        piece, began = asked
        said = str(answer.get("result") or "")
        self._heard = at
        self._found[piece.name] = AnsweredPiece(
            piece.name,
            piece.person,
            said=said,
            right=self.is_right(said, piece.person),
            latency_s=at - began,
        )

    def _outcome(self, piece: Piece) -> AnsweredPiece:
        silent = f"no message in {self._workload.queue} had its request_id"
        trouble = self._refused.get(piece.name, silent)
        nothing = AnsweredPiece(piece.name, piece.person, trouble=trouble)
        return self._found.get(piece.name, nothing)


class VideoPlayer(WorkloadPlayer):
    """Videos into a bucket; pictures and answers are looked for where the course says."""

    def play(self, pieces: Sequence[Piece]) -> list[AnsweredPiece]:
        self._s3 = self._switch.client("s3")
        self._sent: dict[str, float] = {}
        self._came: dict[str, float] = {}
        self._failed = ""
        sender = threading.Thread(target=self._send, args=(pieces,), daemon=True)
        sender.start()
        heard, finished = time.monotonic(), 0
        while time.monotonic() - heard < self._workload.patience_s and not self._failed:
            now = self._look(pieces)
            if now > finished:
                heard, finished = time.monotonic(), now
            if finished == len(pieces):
                break
            time.sleep(POLL_S)  # S3 has no call that waits for an object
        sender.join()
        return [self._outcome(piece) for piece in pieces]

    def _send(self, pieces: Sequence[Piece]) -> None:
        for piece in self.paced(pieces):
            self._sent[piece.name] = time.monotonic()
            try:
                self._s3.put_object(
                    Bucket=self._workload.input, Key=f"{piece.name}.mp4", Body=piece.body
                )
            except ClientError as error:
                self._failed = error.response["Error"]["Message"]
                return

    def _look(self, pieces: Sequence[Piece]) -> int:
        """How many pieces have what they are to become; when each got it is remembered."""
        place = self._workload.answers or self._workload.pictures
        assert place is not None  # noqa: S101  a course has one of both
        keys, now = self._keys(place), time.monotonic()
        for piece in pieces:
            if piece.name not in self._came and len(_of(place, piece, keys)) >= place.count:
                self._came[piece.name] = now
        return len(self._came)

    def _keys(self, place: ObjectPlace) -> list[str]:
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=place.bucket)
        try:
            return [row["Key"] for page in pages for row in page.get("Contents", ())]
        except ClientError:
            return []  # no such bucket; the check of it says so

    def _outcome(self, piece: Piece) -> AnsweredPiece:
        place, pictures = self._workload.answers, self._workload.pictures
        made, shown = self._pictures(pictures, piece) if pictures else (0, 0)
        said = self._said(place, piece) if place else None
        wanted = pictures.count if pictures else 0
        right = made >= wanted and shown == made if place is None else False
        if place is not None and said is not None:
            right = self.is_right(said, piece.person)
        came = self._came.get(piece.name)
        latency = came - self._sent[piece.name] if came is not None else None
        target = place or pictures
        missing = f"nothing at s3://{target.bucket}/{target.key}" if target else ""
        trouble = "" if came is not None else self._failed or missing.replace("{name}", piece.name)
        return AnsweredPiece(piece.name, piece.person, said, right, latency, made, shown, trouble)

    def _pictures(self, place: ObjectPlace, piece: Piece) -> tuple[int, int]:
        """How many pictures there are, and how many of them, each another, show the video."""
        bodies = [
            self._body(place.bucket, key) for key in _of(place, piece, self._keys_once(place))
        ]
        return len(bodies), sum(piece.shows(one) for one in set(bodies))

    def _said(self, place: ObjectPlace, piece: Piece) -> str | None:
        found = _of(place, piece, self._keys_once(place))
        if not found:
            return None
        return self._body(place.bucket, found[0])[:1000].decode("utf-8", "replace").strip()

    def _keys_once(self, place: ObjectPlace) -> list[str]:
        """The keys as they are at the end."""
        known: dict[str, list[str]] = self.__dict__.setdefault("_at_the_end", {})
        if place.bucket not in known:
            known[place.bucket] = self._keys(place)
        return known[place.bucket]

    def _body(self, bucket: str, key: str) -> bytes:
        return bytes(self._s3.get_object(Bucket=bucket, Key=key)["Body"].read())


def _of(place: ObjectPlace, piece: Piece, keys: Sequence[str]) -> list[str]:
    pattern = place.key.replace("{name}", piece.name)
    return [key for key in keys if fnmatchcase(key, pattern)]


class ClipPlayer(WorkloadPlayer):
    """Clips into a bucket one after another: the next when the queue has told of the last."""

    _before: frozenset[str] | set[str] = frozenset()

    def play(self, pieces: Sequence[Piece]) -> list[AnsweredPiece]:
        s3, self._sqs = self._switch.client("s3"), self._switch.client("sqs")
        try:
            self._queue = self._sqs.get_queue_url(QueueName=self._workload.queue)["QueueUrl"]
        except self._sqs.exceptions.QueueDoesNotExist:
            trouble = f"there is no queue {self._workload.queue}"
            return [AnsweredPiece(one.name, one.person, trouble=trouble) for one in pieces]
        # A message that names one of these is of the camera's, and late.
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=self._workload.input)
        with contextlib.suppress(ClientError):
            self._before = {row["Key"] for page in pages for row in page.get("Contents", ())}
        outcomes: list[AnsweredPiece] = []
        for piece in pieces:
            if len(outcomes) >= GIVE_UP_AFTER and all(one.said is None for one in outcomes):
                trouble = f"not sent: the first {GIVE_UP_AFTER} clips had no answer"
                outcomes.append(AnsweredPiece(piece.name, piece.person, trouble=trouble))
                continue
            began = time.monotonic()
            try:
                s3.put_object(
                    Bucket=self._workload.input, Key=f"{piece.name}.h264", Body=piece.body
                )
            except ClientError as error:
                trouble = error.response["Error"]["Message"]
                outcomes.append(AnsweredPiece(piece.name, piece.person, trouble=trouble))
                continue
            outcomes.append(self._answer(piece, began))
        return outcomes

    def _answer(self, piece: Piece, began: float) -> AnsweredPiece:
        deadline = began + self._workload.patience_s
        while time.monotonic() < deadline:
            got = self._sqs.receive_message(QueueUrl=self._queue, WaitTimeSeconds=1)
            for message in got.get("Messages", ()):
                at = time.monotonic()
                self._sqs.delete_message(
                    QueueUrl=self._queue, ReceiptHandle=message["ReceiptHandle"]
                )
                said = message["Body"]
                if any(key in said for key in self._before):
                    continue
                right = self._tells(said, piece.person)
                names = ", ".join(named_in(said, list(self._name_of.values())))
                return AnsweredPiece(
                    piece.name, piece.person, names, right, at - began, trouble=said[:120]
                )
        silent = f"no message in {self._workload.queue} within {self._workload.patience_s:.0f} s"
        return AnsweredPiece(piece.name, piece.person, trouble=silent)

    def _tells(self, said: str, person_id: str) -> bool:
        """Whether a message has this person's name, major and year, and nobody else's name."""
        who = next(one for one in self._people if one.person_id == person_id)
        names = named_in(said, [one.name for one in self._people])
        return names == [who.name] and len(named_in(said, [who.major, who.year])) == 2


PLAYERS: dict[str, Callable[..., Any]] = {
    "requests": RequestPlayer,
    "videos": VideoPlayer,
    "clips": ClipPlayer,
}


def play(
    switch: Switch, workload: Workload, people: Class, pieces: Sequence[Piece], progress: Progress
) -> tuple[list[AnsweredPiece], float]:
    """The outcome of each piece, and how long all of it took (s).

    One goes first and does not count: it meets functions that never ran.
    """
    if pieces and workload.play != "clips":
        progress("one goes first, and does not count")
        first = replace(pieces[0], name="warm-up")
        PLAYERS[workload.play](switch, workload, people, progress).play([first])
    progress(f"playing {len(pieces)} {workload.material.replace('_', ' ')}")
    began = time.monotonic()
    with progress.usual("playing", f"grade {workload.material} {len(pieces)}"):
        outcomes = PLAYERS[workload.play](switch, workload, people, progress).play(pieces)
    took = time.monotonic() - began
    done = sum(one.right for one in outcomes)
    progress(f"{done} of {len(outcomes)} came out right, in {took:.0f} s")
    return outcomes, took
