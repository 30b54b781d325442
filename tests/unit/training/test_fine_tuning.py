import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch", reason="torch is in the training environment only")
onnx = pytest.importorskip("onnx")
pytest.importorskip("matplotlib")

from recognition import CustomModel  # noqa: E402
from recognition.errors import ModelsMissing  # noqa: E402
from training import (  # noqa: E402
    custom,
    evaluate,
)
from training import train_face_recognition as training  # noqa: E402
from training.augment import augmented  # noqa: E402
from training.calibration import calibrate  # noqa: E402
from training.embedding_network import (  # noqa: E402
    EmbeddingNetwork,
    NotTheEmbeddingNetwork,
    chips_of_crops,
)
from training.export import ParityBroken, check_parity, export, ms_per_face  # noqa: E402
from training.fine_tuning import (  # noqa: E402
    FineTunedNetwork,
    embeddings_of,
    fit_fine_tuned,
    frozen_features,
)
from training.fitting import FitOptions, make_deterministic  # noqa: E402
from training.scratch import crops_of  # noqa: E402
from training.transfer import DistanceHead  # noqa: E402

QUICK = FitOptions(epochs=3, seed=3, patience=3)
LOOSE = calibrate(np.zeros((0, 2)), np.zeros(0, int), np.zeros((0, 2)))
LABELS = ["a", "b", "c"]


@pytest.fixture(scope="module")
def faces(recognizer, photos):
    """The chip of each of the fixture's people with five variations: 18 chips, 18 owners."""
    random, chips = np.random.default_rng(0), []
    for photo in photos.values():
        chip = recognizer.observe(np.asarray(Image.open(photo).convert("RGB")))[0].chip
        chips += [chip, *(augmented(chip, random) for _ in range(5))]
    return chips, np.repeat(np.arange(3), 6)


@pytest.fixture
def network(models_dir):
    return EmbeddingNetwork.from_file(models_dir / "embedding.onnx")


def tuned(network, faces, options=QUICK, strangers=0):
    make_deterministic(options.seed)
    chips, owners = faces
    features = frozen_features(network, chips, "test")
    kept = owners < 3 - bool(strangers)
    even = np.arange(len(owners)) % 2 == 0
    return fit_fine_tuned(
        network,
        (features[kept & even], owners[kept & even]),
        (features[kept & ~even], owners[kept & ~even]),
        features[~kept][:strangers],
        int(kept.sum()) // 6,
        options,
    )


def test_torch_and_onnx_give_the_same_embedding_of_a_chip(network, faces, embedder):
    chips = faces[0]
    pictures = torch.from_numpy(np.stack(chips).transpose(0, 3, 1, 2).astype(np.float32))
    with torch.no_grad():
        ours = network(pictures).numpy()
    theirs = np.stack([embedder.embed(chip) for chip in chips])
    assert np.linalg.norm(ours - theirs, axis=1).max() < 1e-4


def test_the_way_to_160_pixels_and_back_hardly_moves_a_face(network, faces, embedder):
    chips = faces[0]
    with torch.no_grad():
        ours = network(chips_of_crops(crops_of(chips))).numpy()
    theirs = np.stack([embedder.embed(chip) for chip in chips])
    # A third of what lies between two pictures of one person.
    assert np.linalg.norm(ours - theirs, axis=1).max() < 0.12


def test_only_the_last_stage_and_the_projection_change(network, faces):
    before = {name: weight.detach().clone() for name, weight in network.weights.items()}
    tuned(network, faces)
    changed = {n for n, w in network.weights.items() if not torch.equal(w, before[n])}
    assert changed == {n for n, w in network.weights.items() if w.requires_grad}
    # Two convolutions with their biases, and the projection.
    shapes = sorted(tuple(network.weights[name].shape) for name in changed)
    assert shapes == [(256,), (256,), (256, 128), (256, 256, 3, 3), (256, 256, 3, 3)]


def test_the_stage_learns_slower_than_the_head(network, faces):
    before = {n: w.detach().clone() for n, w in network.weights.items() if w.requires_grad}
    # One step: Adam's first moves every weight by its learning rate.
    model, _ = tuned(network, faces, FitOptions(epochs=1, seed=0, learning_rate=1e-3))
    stage = max(float((network.weights[n].detach() - w).abs().max()) for n, w in before.items())
    head = float((model.head.turn.detach() - torch.eye(128)).abs().max())
    assert 0 < stage < 0.3 * head


def test_faces_are_held_near_their_old_embeddings(models_dir, faces, monkeypatch):
    def drift(hold):
        monkeypatch.setattr("training.fine_tuning._HOLD", hold)
        network = EmbeddingNetwork.from_file(models_dir / "embedding.onnx")
        features = frozen_features(network, faces[0], "test")
        before = embeddings_of(network, features)
        tuned(network, faces, replace(QUICK, epochs=8, patience=8, learning_rate=1e-2))
        return np.linalg.norm(embeddings_of(network, features) - before, axis=1).mean()

    assert drift(50.0) < 0.8 * drift(0.0)


@pytest.mark.parametrize("strangers", [0, 4])
def test_the_exported_file_answers_as_torch_does_on_faces(network, faces, strangers):
    model, history = tuned(network, faces, strangers=strangers)
    assert history.held_out
    labels = LABELS[: len(model.head.centers)]
    exported = export(model, labels, LOOSE, {})
    loaded = CustomModel.from_bytes(exported)
    assert loaded.takes == "crop"
    assert loaded.labels == tuple(labels)
    parity = check_parity(model, exported, seed=0, faces=2, chips=faces[0])
    assert parity.faces == 2 + len(faces[0])
    assert parity.largest_difference < 1e-4
    known = [loaded.probabilities(np.zeros(128, np.float32), chip).max() for chip in faces[0]]
    assert max(known) > 0.5, "a parity of zeros proves nothing"
    assert ms_per_face(exported, faces[0][:3]) > 0


def test_an_export_of_the_unchanged_network_is_refused(network, models_dir, faces):
    model, _ = tuned(network, faces, replace(QUICK, learning_rate=1e-2))
    unchanged = EmbeddingNetwork.from_file(models_dir / "embedding.onnx")
    exported = export(FineTunedNetwork(unchanged, model.head), LABELS, LOOSE, {})
    with pytest.raises(ParityBroken):
        check_parity(model, exported, seed=0, faces=1, chips=faces[0])


def test_the_same_seed_gives_the_same_file_and_another_seed_another(models_dir, faces):
    def once(seed):
        network = EmbeddingNetwork.from_file(models_dir / "embedding.onnx")
        model, _ = tuned(network, faces, replace(QUICK, seed=seed))
        return export(model, LABELS, LOOSE, {})

    assert once(1) == once(1)
    assert once(1) != once(2)


def test_without_the_network_or_with_another_the_error_says_so(tmp_path):
    with pytest.raises(ModelsMissing):
        EmbeddingNetwork.from_file(tmp_path / "embedding.onnx")
    exported = export(DistanceHead(np.eye(3, 128, dtype=np.float32)), LABELS, LOOSE, {})
    (tmp_path / "embedding.onnx").write_bytes(exported)
    with pytest.raises(NotTheEmbeddingNetwork):
        EmbeddingNetwork.from_file(tmp_path / "embedding.onnx")


def test_the_command_fine_tunes_and_the_card_tells_the_price(
    dataset, models_dir, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(custom, "_VARIATIONS_AT_MOST", 3)
    data, out = dataset(2), tmp_path / "out"
    (data / "barack-obama").rename(tmp_path / "strangers")
    arguments = ["--data", str(data), "--models", str(models_dir), "--out", str(out), "--json"]
    arguments += ["--fine-tune", "--epochs", "2", "--background", str(tmp_path / "strangers")]
    assert training.main(arguments) == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary["parity"] < 1e-4
    model = CustomModel.from_bytes((out / "custom.onnx").read_bytes())
    assert model.takes == "crop"
    assert model.properties["facelab.arch"] == training.FINE_TUNED
    assert model.thresholds.accept == summary["accept"]
    card = (out / "model-card.md").read_text()
    assert "ms for each face" in card
    assert "With few photos the plain head" in card


@pytest.mark.parametrize("command", [training, evaluate])
def test_the_small_network_cannot_be_fine_tuned(command, tmp_path, capsys):
    with pytest.raises(SystemExit):
        command.main(["--data", str(tmp_path), "--arch", "scratch", "--fine-tune"])
    assert "--arch transfer" in capsys.readouterr().err
