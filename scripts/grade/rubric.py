"""From what was seen to points: pure functions, one for each check that a rubric may name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import mean

from scripts.functions.triggers import S3
from scripts.grade.course import Course, Criterion
from scripts.grade.seen import AnsweredPiece, FunctionSeen, Seen, percentile

Share = tuple[float, str]
"""Which part of its points a line earns, 0 to 1, and what was seen."""
SHOWN = 3


@dataclass(frozen=True)
class RubricLine:
    """A line of the score sheet. `points` are below 0 where something that is missing costs."""

    name: str
    points: float
    out_of: float
    evidence: str


@dataclass(frozen=True)
class Sheet:
    """A student's score; never below 0."""

    score: float
    out_of: float
    lines: tuple[RubricLine, ...]


def score(course: Course, seen: Seen) -> Sheet:
    """Every line of the course's rubric."""
    lines = tuple(_line(one, course, seen) for one in course.rubric)
    total = max(0.0, sum(one.points for one in lines))
    return Sheet(round(total, 2), course.out_of, lines)


def _line(criterion: Criterion, course: Course, seen: Seen) -> RubricLine:
    share, evidence = CHECKS[criterion.check](criterion, course, seen)
    earned = criterion.points * share if criterion.points else 0.0
    lost = criterion.deduct if share < 1 else 0.0
    return RubricLine(criterion.name, round(earned - lost, 2), criterion.points, evidence)


def _functions(_: Criterion, course: Course, seen: Seen) -> Share:
    missing = [one for one in seen.functions.values() if not one.is_ready]
    if not missing:
        return 1.0, ", ".join(f"{one.name} is {one.state}" for one in seen.functions.values())
    return 0.0, "; ".join(
        f"{one.name} is {one.state.lower()}: {one.trouble or 'deploy it under this name'}"
        for one in missing
    )


def _trigger(criterion: Criterion, course: Course, seen: Seen) -> Share:
    name, wanted = criterion.options["function"], criterion.options["trigger"]
    triggers = seen.functions[name].triggers if name in seen.functions else ()
    match = S3.fullmatch(wanted)
    for one in triggers:
        if one == wanted or (match and one.startswith(f"s3://{match['bucket']}")):
            return 1.0, f"{one} invokes {name}"
    return (
        0.0,
        f"nothing makes {wanted} invoke {name}; it has {', '.join(triggers) or 'no trigger'}",
    )


def _empty(_: Criterion, course: Course, seen: Seen) -> Share:
    wrong = []
    for name in (*course.buckets, *course.queues):
        held = seen.at_first.get(name)
        if held is None:
            wrong.append(f"{name} is not there: make it under this name")
        elif held:
            wrong.append(f"{name} held {held} before anything was sent")
    return (0.0, "; ".join(wrong)) if wrong else (1.0, "all are there and held nothing")


def _answered(criterion: Criterion, course: Course, seen: Seen) -> Share:
    """Answers count where the solution tells people apart at all."""
    done = [one for one in seen.outcomes if one.latency_s is not None]
    evidence = f"{len(done)} of {len(seen.outcomes)} were answered{_troubles(seen.outcomes)}"
    if len(done) < len(seen.outcomes):
        evidence += "".join(_failing(one, seen.account) for one in seen.functions.values())
    return _if_it_works(len(done), seen, evidence)


def _correct(criterion: Criterion, course: Course, seen: Seen) -> Share:
    right = sum(one.right for one in seen.outcomes)
    evidence = f"{right} of {len(seen.outcomes)} are right{_mistakes(seen.outcomes)}"
    return _if_it_works(right, seen, evidence)


def _pictures(criterion: Criterion, course: Course, seen: Seen) -> Share:
    place = course.workload.pictures
    wanted = place.count if place else 1
    whole = [one for one in seen.outcomes if one.pictures == one.pictures_right == wanted]
    foreign = sum(one.pictures - one.pictures_right for one in seen.outcomes)
    evidence = f"{len(whole)} of {len(seen.outcomes)} videos have their pictures"
    evidence += f"; {foreign} pictures do not show their video" if foreign else ""
    return len(whole) / max(1, len(seen.outcomes)), evidence


def _latency(criterion: Criterion, course: Course, seen: Seen) -> Share:
    """By the mean over right answers, for the part that is right."""
    found = seen.latencies_s
    if not found or not seen.credited:
        return 0.0, "no right answer whose latency would count"
    average = mean(found)
    evidence = (
        f"{average:.2f} s on average over {len(found)} right answers "
        f"(p50 {percentile(found, 0.5):.2f} s, p95 {percentile(found, 0.95):.2f} s)"
    )
    return _tier(criterion, average) * seen.credited, evidence


def _end_to_end(criterion: Criterion, course: Course, seen: Seen) -> Share:
    """From the first video sent to the last answer, for the part that is right."""
    if not seen.credited:
        return 0.0, "no right answer whose time would count"
    evidence = f"{seen.took_s:.0f} s for {len(seen.outcomes)}; {seen.credited:.0%} came out right"
    return _tier(criterion, seen.took_s) * seen.credited, evidence


def _duration(criterion: Criterion, course: Course, seen: Seen) -> Share:
    name, most = criterion.options["function"], float(criterion.options["at_most_ms"])
    took = seen.functions[name].duration_ms if name in seen.functions else None
    if took is None:
        return 0.0, f"CloudWatch has no Duration of {name}: it was never invoked"
    evidence = f"{name}: {took:.0f} ms on average (CloudWatch), at most {most:.0f} ms"
    return (seen.credited if took <= most else 0.0), evidence


def _concurrency(criterion: Criterion, course: Course, seen: Seen) -> Share:
    name, least = criterion.options["function"], int(criterion.options["at_least"])
    most = seen.functions[name].concurrency if name in seen.functions else 0
    evidence = f"{name}: {most} at a time (CloudWatch, ConcurrentExecutions), wanted {least}"
    if most < least and seen.limit < least:
        evidence += f"; this lab runs {seen.limit} at most: FACELAB_CONCURRENCY={least + 1} make up"
    return (seen.credited if most >= least else 0.0), evidence


def _camera(criterion: Criterion, course: Course, seen: Seen) -> Share:
    least, many = int(criterion.options["at_least"]), seen.camera_clips
    evidence = f"{many} clips of the film reached the bucket, wanted {least}"
    if seen.camera_trouble:
        evidence += f"; {seen.camera_trouble}"
    return min(1.0, many / least), evidence


def _tier(criterion: Criterion, measured: float) -> float:
    steps = zip(criterion.options["at_most_s"], criterion.options["shares"], strict=True)
    return next((float(share) for most, share in steps if measured <= most), 0.0)


def _if_it_works(many: int, seen: Seen, evidence: str) -> Share:
    if seen.says_one_name:
        return 0.0, f"{evidence}; different people all got one and the same name"
    if not seen.credited:
        return 0.0, f"{evidence}; none is right"
    return many / len(seen.outcomes), evidence


def _troubles(outcomes: Sequence[AnsweredPiece]) -> str:
    bad = [one for one in outcomes if one.latency_s is None]
    return _some(bad, lambda one: one.trouble or "nothing came")


def _failing(function: FunctionSeen, account: str) -> str:
    """Whose log says why there was no answer."""
    if not function.invocations:
        return f"; {function.name} was never invoked"
    if not function.errors:
        return ""
    return (
        f"; {function.name} failed {function.errors} of {function.invocations} times: "
        f'make logs FUNCTION={function.name} ARGS="--account {account}"'
    )


def _mistakes(outcomes: Sequence[AnsweredPiece]) -> str:
    bad = [one for one in outcomes if one.latency_s is not None and not one.right]
    return _some(bad, _mistake)


def _mistake(one: AnsweredPiece) -> str:
    if one.person:
        return f"{one.person} was called {one.said or 'nobody'!r}"
    return f"{one.pictures} pictures, {one.pictures_right} of them another one of its video"


def _some(bad: Sequence[AnsweredPiece], say: Callable[[AnsweredPiece], str]) -> str:
    if not bad:
        return ""
    said = "; ".join(f"{one.name}: {say(one)}" for one in bad[:SHOWN])
    return f" ({said}{'; …' if len(bad) > SHOWN else ''})"


CHECKS: dict[str, Callable[[Criterion, Course, Seen], Share]] = {
    "functions": _functions,
    "trigger": _trigger,
    "empty": _empty,
    "answered": _answered,
    "correct": _correct,
    "pictures": _pictures,
    "latency": _latency,
    "end_to_end": _end_to_end,
    "duration": _duration,
    "concurrency": _concurrency,
    "camera": _camera,
}
