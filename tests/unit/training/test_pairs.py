from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from training.dataset import DatasetPicture
from training.evaluation.pairs import (
    Pair,
    UnusablePairs,
    best_threshold,
    made_pairs,
    read_pairs,
    verify,
)


def apart(distance, length=1.0):
    """An embedding so far from `apart(0)` at unit length."""
    angle = 2 * np.arcsin(distance / 2)
    return length * np.array([np.cos(angle), np.sin(angle)])


def faces(**places):
    return {Path(name): apart(place) for name, place in places.items()}


def test_separable_pairs_are_all_right():
    embeddings, pairs = {}, []
    for number in range(40):
        same = number % 2 == 0
        a, b = Path(f"a{number}"), Path(f"b{number}")
        embeddings[a] = apart(0)
        embeddings[b] = apart(0.3 if same else 0.7, length=1 + number / 40)  # says nothing
        pairs.append(Pair(a, b, same))
    made = verify(pairs, embeddings, "given")
    assert (made.accuracy, made.deviation, made.n, made.same) == (1.0, 0.0, 40, 20)
    assert made.threshold == pytest.approx(0.5)


def test_the_threshold_of_a_fold_does_not_see_that_fold():
    # Without signal, a threshold chosen on the very pairs would look better than chance.
    random = np.random.default_rng(0)
    embeddings, pairs = {}, []
    for number in range(400):
        a, b = Path(f"a{number}"), Path(f"b{number}")
        embeddings[a], embeddings[b] = apart(0), apart(random.random())
        pairs.append(Pair(a, b, bool(random.integers(2))))
    made = verify(pairs, embeddings, "given")
    assert 0.4 < made.accuracy < 0.56


def test_a_pair_with_a_missing_face_counts_as_different():
    embeddings = {**faces(a=0.0, b=0.1, c=1.0), Path("lost"): None}
    pairs = [Pair(Path("a"), Path("b"), True)] * 10 + [Pair(Path("a"), Path("c"), False)] * 9
    made = verify([*pairs, Pair(Path("a"), Path("lost"), True)], embeddings, "given")
    assert made.without_face == 1
    # One wrong pair, in a fold of three.
    assert made.accuracy == pytest.approx(1 - (1 / 3) / 10, abs=1e-4)


def test_the_best_threshold_lies_in_the_middle_of_the_gap():
    distances = np.array([0.1, 0.2, 0.6, 0.8])
    assert best_threshold(distances, np.array([True, True, False, False])) == pytest.approx(0.4)


def test_no_threshold_is_put_between_equal_distances():
    distances = np.array([0.3, 0.3, 0.9])
    threshold = best_threshold(distances, np.array([True, False, False]))
    assert threshold != pytest.approx(0.3)


def test_paths_are_found_beside_the_table_or_in_the_data(tmp_path):
    (tmp_path / "data" / "ada").mkdir(parents=True)
    (tmp_path / "data" / "ada" / "1.png").touch()
    (tmp_path / "beside.png").touch()
    table = tmp_path / "pairs.csv"
    table.write_text("\ufeffa,b,same\nada/1.png,beside.png,1\nada/1.png,gone.png,No\n", "utf-8")
    first, second = read_pairs(table, tmp_path / "data")
    assert (first.a, first.b, first.same) == (
        tmp_path / "data" / "ada" / "1.png",
        tmp_path / "beside.png",
        True,
    )
    assert second.same is False


@pytest.mark.parametrize(
    "text", ["", "a,b,same\n", "x,y\n1,2\n", "a,b,same\n1,2,maybe\n", "a,b,same\n1\n"]
)
def test_an_unusable_table_is_named(tmp_path, text):
    (tmp_path / "pairs.csv").write_text(text)
    with pytest.raises(UnusablePairs, match=r"pairs\.csv"):
        read_pairs(tmp_path / "pairs.csv", tmp_path)


def samples(folder, **counts):
    pictures = [
        DatasetPicture(Path(folder, person, f"{n}.png"), person, None, str(n), False)
        for person, count in counts.items()
        for n in range(count)
    ]
    return [SimpleNamespace(picture=picture) for picture in pictures]


def test_made_pairs_are_balanced_and_the_same_wherever_the_data_lies():
    def made(folder):
        pairs = made_pairs(samples(folder, ada=5, bob=5, cyd=1))
        return [
            (pair.a.relative_to(folder), pair.b.relative_to(folder), pair.same) for pair in pairs
        ]

    here, there = made("/here"), made("/somewhere/else")
    assert here == there
    assert len(here) == len(set(here)) == 40
    assert sum(same for *_, same in here) == 20
    assert all((a.parts[0] == b.parts[0]) == same for a, b, same in here)


def test_one_person_alone_makes_no_different_pairs():
    assert all(pair.same for pair in made_pairs(samples("/x", ada=4)))


def test_where_different_pairs_run_out_there_are_fewer():
    made = made_pairs(samples("/x", ada=6, bob=1))
    assert sum(pair.same for pair in made) == 15
    assert sum(not pair.same for pair in made) == 6
