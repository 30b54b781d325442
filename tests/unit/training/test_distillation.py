"""The proposal network's recipe can be repeated, and does not depend on what it makes."""

import shutil

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is in the training environment only")

from recognition.runtime import open_session  # noqa: E402
from training.distill_proposals import export, goal_of, main  # noqa: E402
from training.distillation.likeness import likeness  # noqa: E402
from training.distillation.network import ProposalNetwork  # noqa: E402


@pytest.fixture
def recipe(models_dir, photos, tmp_path):
    """The command on one face and one drawn background, with some models; its file's bytes."""
    faces, backgrounds = tmp_path / "faces", tmp_path / "things"
    backgrounds.mkdir()
    stripes = np.indices((300, 300)).sum(0) // 20 % 2 * 200
    cv2.imwrite(str(backgrounds / "stripes.png"), stripes.astype(np.uint8))
    person, photo = next(iter(photos.items()))
    (faces / person).mkdir(parents=True)
    shutil.copy(photo, faces / person)

    def run(models=models_dir, seed=0, *, check=False):
        out = tmp_path / "made.onnx"
        inputs = ["--faces", str(faces), "--backgrounds", str(backgrounds)]
        amounts = ["--scenes", "6", "--epochs", "1", "--seed", str(seed)]
        where = ["--models", str(models), "--out", str(out)]
        code = main([*inputs, *amounts, *where, *(["--check"] if check else [])])
        assert check or code == 0
        return code if check else out.read_bytes()

    return run


def test_the_same_seed_gives_the_same_network_and_another_seed_another(recipe):
    first = recipe()
    assert recipe() == first
    assert recipe(seed=1) != first


def test_the_file_answers_as_the_network_does(tmp_path):
    torch.manual_seed(0)
    network = ProposalNetwork().eval()
    path = tmp_path / "proposals.onnx"
    path.write_bytes(export(network))
    picture = np.random.default_rng(0).integers(0, 256, (64, 96, 3), dtype=np.uint8)
    theirs = open_session(path).run(None, {"pictures": picture[None]})[0]
    with torch.no_grad():
        ours = network(torch.from_numpy(picture[None]).permute(0, 3, 1, 2).float()).numpy()
    assert np.abs(ours - theirs).max() < 1e-4


def test_a_place_beside_a_face_is_near_enough_for_a_proposal():
    scores = np.full((5, 5), -3.0, np.float32)
    scores[2, 2] = 1.0
    goal = goal_of(scores)
    assert goal[1:4, 1:4].min() > 0.95
    assert goal[0].max() < 0.01


def network_that_says(score: float | None) -> bytes:
    """A network with random weights, or one whose every answer is this score (log-odds)."""
    torch.manual_seed(0)
    network = ProposalNetwork().eval()
    if score is not None:
        torch.nn.init.zeros_(network.end.weight)
        torch.nn.init.constant_(network.end.bias, score)
    return export(network)


def test_a_network_is_as_good_as_itself_and_none_that_is_blind_or_sees_faces_everywhere():
    random = np.random.default_rng(0)
    pictures = random.integers(0, 256, (3, 128, 128, 3), dtype=np.uint8)
    goals = np.zeros((3, 29, 29), np.float32)
    goals[:, 10:13, 10:13] = goals[:, 20:23, 20:23] = 0.9
    itself = likeness(network_that_says(3.0), network_that_says(3.0), (pictures, goals))
    assert itself.is_as_good
    assert (itself.used.faces, itself.used.recall, itself.apart) == (6, 1.0, 0.0)
    blind = likeness(network_that_says(-9.0), network_that_says(3.0), (pictures, goals))
    assert (blind.made.recall, blind.is_as_good) == (0.0, False)
    everywhere = likeness(network_that_says(3.0), network_that_says(-9.0), (pictures, goals))
    assert (everywhere.made.places, everywhere.is_as_good) == (1.0, False)


def test_a_check_passes_the_same_file_writes_nothing_and_fails_a_worse_one(
    recipe, tmp_path, capsys
):
    made = recipe()
    assert recipe(check=True) == 0
    assert "the same file" in capsys.readouterr().out
    (tmp_path / "made.onnx").write_bytes(network_that_says(3.0))
    assert recipe(check=True) == 1
    assert "worse than, or unlike" in capsys.readouterr().out
    assert (tmp_path / "made.onnx").read_bytes() != made
