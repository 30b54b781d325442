"""The proposal network's recipe can be repeated, and does not depend on what it makes."""

import shutil

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is in the training environment only")

from recognition.runtime import open_session  # noqa: E402
from training.distill_proposals import export, goal_of, main  # noqa: E402
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

    def run(models=models_dir, seed=0):
        out = tmp_path / "made.onnx"
        inputs = ["--faces", str(faces), "--backgrounds", str(backgrounds)]
        amounts = ["--scenes", "6", "--epochs", "1", "--seed", str(seed)]
        assert main([*inputs, *amounts, "--models", str(models), "--out", str(out)]) == 0
        return out.read_bytes()

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
