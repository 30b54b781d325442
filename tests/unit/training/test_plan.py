from pathlib import Path

from training.dataset import DatasetPicture
from training.evaluation.plan import make_plan, split_person


def pictures(person, count, session=None):
    return [
        DatasetPicture(
            Path(person, str(session), f"{n}.png"), person, session, f"{session}/{n}", False
        )
        for n in range(count)
    ]


def tree(**counts):
    return {person: pictures(person, count) for person, count in counts.items()}


def test_nothing_is_on_two_sides_and_the_plan_is_the_same_every_time():
    people = tree(**{f"p{number:02d}": 10 for number in range(40)})
    plan, again = make_plan(people), make_plan(people)
    assert plan == again
    assert (len(plan.people), len(plan.probes), len(plan.strangers)) == (30, 210, 100)
    enrolled = {one.path for person in plan.enrollment.values() for one in person}
    probes, strangers = ({one.path for one in part} for part in (plan.probes, plan.strangers))
    assert not enrolled & probes
    assert not {one.person_id for one in plan.strangers} & set(plan.people)
    assert len(enrolled | probes | strangers) == 400
    assert make_plan(people, seed=1) != plan


def test_people_of_one_picture_are_strangers():
    plan = make_plan(tree(ada=6, bob=6, solo=1))
    assert "solo" in {one.person_id for one in plan.strangers}
    assert "solo" not in plan.people


def test_given_strangers_leave_everybody_enrolled():
    plan = make_plan(tree(ada=6, solo=1), strangers=tree(eve=3))
    assert plan.people == ["ada", "solo"]
    assert {one.person_id for one in plan.strangers} == {"eve"}


def test_people_seen_in_clips_are_enrolled_even_with_one_picture():
    plan = make_plan(tree(ada=1, bob=1, cyd=1), in_clips={"ada", "bob", "cyd"})
    assert plan.people == ["ada", "bob", "cyd"]
    assert not plan.probes
    assert not plan.strangers


def test_one_picture_each_leaves_somebody_enrolled():
    assert make_plan(tree(ada=1, bob=1)).people


def test_at_most_half_of_a_person_is_enrolled():
    for count, expected in ((1, 1), (2, 1), (3, 1), (5, 2), (10, 3)):
        enrolled, probes = split_person(pictures("ada", count), 3, seed=0)
        assert (len(enrolled), len(probes)) == (expected, count - expected)


def test_no_session_is_on_both_sides():
    sessions = [*pictures("ada", 5, "monday"), *pictures("ada", 5, "tuesday")]
    enrolled, probes = split_person(sessions, 3, seed=0)
    assert len(enrolled) == 3
    assert not {one.session for one in enrolled} & {one.session for one in probes}


def test_pictures_of_one_moment_stay_together():
    own = [DatasetPicture(Path(f"{n}.png"), "ada", None, str(n // 2), False) for n in range(8)]
    enrolled, probes = split_person(own, 3, seed=0)
    assert not {one.family for one in enrolled} & {one.family for one in probes}
