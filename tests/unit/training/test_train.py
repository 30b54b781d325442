import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch", reason="torch is in the training environment only")
pytest.importorskip("onnx")
pytest.importorskip("matplotlib")

from contract.results import Box  # noqa: E402
from recognition import CustomModel, CustomModelUnusable  # noqa: E402
from recognition.custom_model import crop_from_chip  # noqa: E402
from recognition.embedder import unit_length  # noqa: E402
from recognition.quality import Quality  # noqa: E402
from recognition.tracking import FaceObservation  # noqa: E402
from training import (  # noqa: E402
    custom,
    scratch,
)
from training import export as exporting  # noqa: E402
from training import train_face_recognition as training  # noqa: E402
from training.augment import augmented  # noqa: E402
from training.calibration import calibrate  # noqa: E402
from training.dataset import DatasetPicture, read_tree  # noqa: E402
from training.export import ParityBroken, check_parity, export  # noqa: E402
from training.faces import FaceSample, find_faces  # noqa: E402
from training.fitting import FitOptions, Labeled, fit, make_deterministic  # noqa: E402
from training.scratch import (  # noqa: E402
    ScratchCommittee,
    ScratchNetwork,
    crops_of,
    fit_scratch,
)
from training.strangers import Spread, made_up_strangers  # noqa: E402
from training.transfer import DistanceHead, centers_of, fit_head  # noqa: E402

QUICK = FitOptions(epochs=12, seed=3)
LOOSE = calibrate(np.zeros((0, 2)), np.zeros(0, int), np.zeros((0, 2)))


def people_faces(people=6, pictures=8, seed=0):
    """Embeddings as the network spreads them: people 0.75 apart, pictures of one 0.3, all far
    from zero in one direction."""
    random = np.random.default_rng(seed)
    common = np.random.default_rng(77).normal(0, 1.25 / np.sqrt(128), 128)
    centers = common + random.normal(0, 0.75 / np.sqrt(256), (people, 128))
    owners = np.repeat(np.arange(people), pictures)
    noise = random.normal(0, 0.3 / np.sqrt(256), (len(owners), 128))
    return (centers[owners] + noise).astype(np.float32), owners


@pytest.fixture(scope="module")
def head():
    make_deterministic(0)
    embeddings, owners = people_faces()
    held_out = owners.size // 2
    mixed = np.random.default_rng(1).permutation(owners.size)
    train, validation = mixed[:held_out], mixed[held_out:]
    return fit_head(
        (embeddings[train], owners[train]),
        (embeddings[validation], owners[validation]),
        np.zeros((0, 128), np.float32),
        6,
        QUICK,
    )


def test_known_faces_are_named_and_strangers_are_nobody(head):
    model, history = head
    embeddings, owners = people_faces(seed=0)
    with torch.no_grad():
        known = model(torch.from_numpy(embeddings)).exp().numpy()
        strangers = model(torch.from_numpy(people_faces(seed=99)[0])).exp().numpy()
    assert (known.argmax(1) == owners).mean() > 0.97
    assert (strangers.argmax(1) == 6).mean() > 0.97
    assert history.held_out
    assert history.validation_accuracy[history.best_epoch] > 0.9


def test_far_from_everybody_nobody_gets_the_probability(head):
    model, _ = head
    with torch.no_grad():
        for far in (torch.full((1, 128), 5.0), torch.full((1, 128), -1e3)):
            assert model(far).exp()[0, :-1].sum() < 1e-6


def test_the_same_seed_gives_the_same_model_and_another_seed_another():
    embeddings, owners = people_faces(3, 4)
    nothing = (np.zeros((0, 128), np.float32), np.zeros(0, int))

    def weights(seed):
        make_deterministic(seed)
        options = replace(QUICK, epochs=3, seed=seed)
        model, _ = fit_head(
            (embeddings, owners), nothing, np.zeros((0, 128), np.float32), 3, options
        )
        return export(model, ["a", "b", "c"], LOOSE, {})

    assert weights(1) == weights(1)
    assert weights(1) != weights(2)


def test_one_wrong_picture_does_not_move_a_center():
    faces = np.zeros((8, 128), np.float32)
    faces[0] = 1.0
    center = centers_of(faces, np.zeros(8, int), 1)[0]
    assert np.abs(center).max() == 0.0


def test_early_stopping_keeps_the_best_weights():
    model = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.LogSoftmax(dim=1))
    right = Labeled(torch.eye(2).repeat(16, 1), torch.tensor([0, 1]).repeat(16))
    wrong = Labeled(right.inputs, 1 - right.classes)
    options = FitOptions(epochs=80, patience=4, learning_rate=0.05, least_gain=0.0)
    # From the tenth epoch on, training teaches the opposite of what validation asks.
    history = fit(model, lambda epoch: right if epoch < 10 else wrong, right, options)
    # Adam's momentum carries on for a while.
    assert 8 <= history.best_epoch <= 15
    assert len(history) == history.best_epoch + 1 + 4
    with torch.no_grad():
        assert (model(right.inputs).argmax(1) == right.classes).all()


def test_a_loss_that_creeps_down_for_ever_is_no_progress():
    model = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.LogSoftmax(dim=1))
    examples = Labeled(torch.eye(2).repeat(16, 1), torch.tensor([0, 1]).repeat(16))
    options = FitOptions(epochs=80, patience=4, learning_rate=1e-5)
    assert len(fit(model, lambda epoch: examples, examples, options)) < 20


def test_with_a_cool_down_the_rate_falls_once_nothing_gets_better_and_the_fit_ends():
    """The few faces held out looked best in the second of 18 epochs, when a fifth as many friends
    were told from strangers as in the last: weights from before the rate fell are not kept."""
    make_deterministic(0)
    model = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.LogSoftmax(dim=1))
    first = Labeled(torch.eye(2).repeat(16, 1), torch.tensor([0, 1]).repeat(16))
    second = Labeled(first.inputs, 1 - first.classes)
    options = FitOptions(epochs=80, patience=4, learning_rate=0.05, cool_down=6, least_gain=0.0)
    history = fit(model, lambda epoch: first if epoch < 10 else second, first, options)
    assert history.ended.startswith("no progress after epoch ")
    turned = int(history.ended.split()[-1])
    assert 9 <= turned <= 16
    assert len(history) == turned + 4 + 6
    assert history.best_epoch >= turned + 4
    assert (
        str(history)
        == f"{len(history)} of at most 80, best {history.best_epoch + 1}: {history.ended}"
    )
    change = np.abs(np.diff(history.train_loss))
    assert change[-1] < change[-6] / 2, "the rate falls to nothing"


def test_of_equally_good_weights_the_last_are_kept():
    """Where everybody was told from strangers at once, the first epoch's weights were as good."""
    model = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.LogSoftmax(dim=1))
    examples = Labeled(torch.eye(2).repeat(16, 1), torch.tensor([0, 1]).repeat(16))
    options = FitOptions(epochs=80, patience=3, learning_rate=0.05, cool_down=2)
    history = fit(model, lambda epoch: examples, examples, options, loss_of=lambda *_: 0.0)
    assert (len(history), history.best_epoch) == (1 + 3 + 2, 5)
    assert history.ended == "no progress after epoch 1"


@pytest.mark.parametrize(("epoch_s", "epochs"), [(10.0, 9), (45.0, 3), (1000.0, 3), (1.0, 20)])
def test_a_fit_is_over_in_time_with_its_cool_down(epoch_s, epochs):
    """42 minutes for 87 pictures; the first epoch and the cool-down are the least there is."""
    model = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.LogSoftmax(dim=1))
    examples = Labeled(torch.eye(2), torch.tensor([0, 1]))
    spent = [0.0]

    def of_epoch(_: int) -> Labeled:
        spent[0] += epoch_s
        return examples

    options = FitOptions(epochs=20, patience=99, cool_down=2, at_most_s=95.0)
    history = fit(model, of_epoch, examples, options, clock=lambda: spent[0])
    assert len(history) == epochs
    assert spent[0] <= 95.0 or epochs == 3
    assert history.ended == ("all epochs" if epochs == 20 else "the time was over, 95 s")


def test_the_exported_head_is_the_trained_one(head):
    exported = export(head[0], list("abcdef"), LOOSE, {"facelab.arch": "transfer"})
    parity = check_parity(head[0], exported, seed=0)
    assert parity.largest_difference < 1e-4
    loaded = CustomModel.from_bytes(exported)
    assert loaded.labels == tuple("abcdef")
    assert loaded.takes == "embedding"
    assert loaded.properties["facelab.arch"] == "transfer"


def test_a_model_that_differs_from_the_trained_one_is_refused(head):
    other = DistanceHead(head[0].centers.detach().numpy() + 0.02)
    exported = export(other, list("abcdef"), LOOSE, {})
    with pytest.raises(ParityBroken):
        check_parity(head[0], exported, seed=0)


def test_labels_and_columns_must_fit(head):
    with pytest.raises(CustomModelUnusable):
        check_parity(head[0], export(head[0], ["a", "a"], LOOSE, {}), seed=0)


def chips_of_two(seed=0):
    """Two people that a small network can tell apart: one striped, one checked."""
    random = np.random.default_rng(seed)
    chips = []
    for owner in (0, 1) * 6:
        y, x = np.mgrid[:150, :150] // 10
        pattern = (y % 2) * 200 if owner == 0 else ((x + y) % 2) * 200
        noise = random.normal(0, 10, (150, 150, 3))
        chips.append(np.clip(pattern[..., None] + 30 + noise, 0, 255).astype(np.uint8))
    return chips, np.array([0, 1] * 6)


def test_the_small_networks_export_takes_what_inference_gives(monkeypatch):
    monkeypatch.setattr(scratch, "_FACES_PER_EPOCH", 16)
    make_deterministic(0)
    monkeypatch.setattr(scratch, "MADE_UP_PEOPLE", 5)
    chips, owners = chips_of_two()
    options = FitOptions(epochs=1, seed=0)
    members = [
        fit_scratch((chips, owners), (chips[:4], owners[:4]), [], 2, replace(options, seed=seed))[0]
        for seed in (0, 1)
    ]
    network = ScratchCommittee(members)
    exported = export(network, ["a", "b"], LOOSE, {})
    loaded = CustomModel.from_bytes(exported)
    assert loaded.takes == "crop"
    assert check_parity(network, exported, seed=0, faces=4).largest_difference < 1e-4
    with torch.no_grad():
        ours = network(crops_of(chips[:1])).exp().numpy()[0, :-1]
        each = [member(crops_of(chips[:1])).exp().numpy()[0, :-1] for member in members]
    assert np.abs(each[0] - each[1]).max() > 1e-3
    assert ours == pytest.approx(np.mean(each, axis=0), abs=1e-6)
    theirs = loaded.probabilities(np.zeros(128, np.float32), chips[0])
    assert np.abs(ours - theirs).max() < 1e-4


def test_pictures_that_one_network_holds_out_train_the_other(monkeypatch):
    """A threshold was read from a quarter of few pictures, which the model then never learned."""
    monkeypatch.setattr(scratch, "_FACES_PER_EPOCH", 4)
    monkeypatch.setattr(scratch, "MADE_UP_PEOPLE", 2)
    monkeypatch.setattr(custom, "_VARIATIONS_AT_MOST", 2)
    monkeypatch.setattr(custom, "_MIXED_STRANGERS", 10)
    chips, owners = chips_of_two()
    seen = (Box(0, 100, 100, 0), 1.0, np.zeros((5, 2)))
    good = Quality(100, 30.0, 30.0, 1.0, None)
    people: dict[str, list[FaceSample]] = {"ada": [], "bob": []}
    for number, (chip, owner) in enumerate(zip(chips, owners, strict=True)):
        person = ("ada", "bob")[owner]
        picture = DatasetPicture(Path(f"{number}.png"), person, None, str(number), False)
        observation = FaceObservation(*seen, chip, np.zeros(128, np.float32), good)
        people[person].append(FaceSample(picture, observation))
    made = custom.train(None, people, [], FitOptions(epochs=1), arch="scratch")
    assert len(made.model.members) == 2
    assert made.counts["pictures_trained_on"] == 12
    assert made.counts["pictures_held_out"] == 8
    assert made.confusion[:2].sum() == 8 * 4, "each held-out face with its variations, once"


def test_crops_are_made_by_the_function_that_inference_uses():
    chip = np.random.default_rng(0).integers(0, 256, (150, 150, 3), dtype=np.uint8)
    assert np.array_equal(crops_of([chip])[0].numpy(), crop_from_chip(chip))
    network = ScratchNetwork(2).eval()
    with torch.no_grad():
        assert network(crops_of([chip])).shape == (1, 3)


def test_weights_that_name_everybody_do_not_look_best():
    chips, owners = chips_of_two()
    held_out = scratch._held_out((chips, owners), 2, np.random.default_rng(0))
    nobody = int((held_out.classes == 2).sum())
    assert nobody == scratch._STRANGERS_FOR_EACH * len(chips)
    assert len(held_out) == len(chips) + nobody
    assert len(scratch._held_out(([], np.zeros(0, int)), 2, np.random.default_rng(0))) == 0


def test_a_network_from_nothing_ends_however_many_epochs_are_asked_for(monkeypatch):
    monkeypatch.setattr(scratch, "_FACES_PER_EPOCH", 4)
    monkeypatch.setattr(scratch, "MADE_UP_PEOPLE", 2)
    monkeypatch.setattr(scratch, "EPOCHS_AT_MOST", 2)
    make_deterministic(0)
    options = FitOptions(epochs=1000, seed=0)
    chips, owners = chips_of_two()
    _, history = fit_scratch((chips, owners), (chips[:2], owners[:2]), [], 2, options)
    assert len(history) == 2


def test_easy_people_are_learned_before_the_epochs_are_over(monkeypatch):
    """It took all of its epochs, whatever it had learned by then."""
    monkeypatch.setattr(scratch, "_FACES_PER_EPOCH", 48)
    monkeypatch.setattr(scratch, "MADE_UP_PEOPLE", 4)
    monkeypatch.setattr(scratch, "EPOCHS_AT_MOST", 60)
    make_deterministic(0)
    chips, owners = chips_of_two()
    held_out, of = chips_of_two(seed=1)
    options = FitOptions(epochs=1000, seed=0)
    network, history = fit_scratch((chips, owners), (held_out, of), [], 2, options)
    assert history.ended.startswith("no progress after epoch ")
    assert len(history) < 60
    assert history.best_epoch >= len(history) - scratch._COOL_DOWN
    with torch.no_grad():
        answer = network(crops_of(held_out))
    assert (answer.argmax(1).numpy() == of).all()


def test_people_mixed_up_with_strangers_are_counted_in_pairs():
    answers = torch.tensor(
        [[0.9, 0.0, 0.1], [0.2, 0.3, 0.5], [0.6, 0.4, 0.0], [0.5, 0.1, 0.4], [0.0, 0.25, 0.75]]
    )
    # Ada surely, Bob hardly, Bob taken for Ada; a stranger much like Ada, one a little like Bob.
    held_out = Labeled(torch.arange(5)[:, None], torch.tensor([0, 1, 1, 2, 2]))
    share = scratch.mixed_up(lambda rows: answers[rows[:, 0]].log(), held_out)
    assert share == pytest.approx((0 + 1 + 2) / 6)


def test_strangers_of_a_background_are_somebody_else_than_those_made_up(monkeypatch):
    """All that is not of the people is nobody, in a class of its own while it is learned."""
    monkeypatch.setattr(scratch, "_FACES_PER_EPOCH", 4)
    monkeypatch.setattr(scratch, "MADE_UP_PEOPLE", 2)
    make_deterministic(0)
    chips, owners = chips_of_two()
    seen = []
    monkeypatch.setattr(
        scratch,
        "fit",
        lambda network, of_epoch, held_out, options, **_: seen.append((network, of_epoch(0))),
    )
    for background in ([], chips[:3]):
        fit_scratch((chips, owners), (chips[:2], owners[:2]), background, 2, FitOptions())
    (without, few), (network, examples) = seen
    assert set(few.classes.tolist()) == {0, 1, 2, 3}
    assert set(examples.classes.tolist()) == {0, 1, 2, 3, 4}
    with torch.no_grad():
        assert network.train()(examples.inputs).shape[1] == 5
        answers = network.eval()(examples.inputs).exp()
    assert answers.shape[1] == 3
    assert answers.sum(1).numpy() == pytest.approx(1.0, abs=1e-5)
    assert without.classify.out_features == 4


def test_variations_are_faces_of_the_same_shape_and_repeatable():
    chip = chips_of_two()[0][0]
    made = [augmented(chip, np.random.default_rng(5)) for _ in range(2)]
    assert np.array_equal(*made)
    assert made[0].shape == chip.shape
    assert made[0].dtype == np.uint8
    assert not np.array_equal(made[0], augmented(chip, np.random.default_rng(6)))


def test_leaving_a_person_out_removes_their_probability_from_the_whole():
    probabilities = np.array([[0.6, 0.3], [0.99999, 0.0]])
    left = custom._left_out(probabilities, np.array([0, 0]))
    assert left == pytest.approx(np.array([[0.0, 0.75]]))


@pytest.fixture
def trained(dataset, models_dir, tmp_path, monkeypatch):
    """The whole command on the fixture's people, with fewer variations than usual."""
    monkeypatch.setattr(custom, "_VARIATIONS_AT_MOST", 6)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")

    def run(name, *more):
        data = dataset(4, sessions=2, name=f"data-{name}")
        (data / "faceless").mkdir()
        (data / "faceless" / "broken.jpg").write_bytes(b"not a picture")
        Image.new("RGB", (64, 64), "gray").save(data / "faceless" / "wall.png")
        out = tmp_path / name
        arguments = ["--data", str(data), "--epochs", "8", "--out", str(out), "--json", *more]
        assert training.main(["--models", str(models_dir), *arguments]) == 0
        return out

    return run


def test_the_command_writes_a_model_that_names_people_and_no_stranger(
    trained, capsys, recognizer, embedder, dataset
):
    out = trained("first")
    summary = json.loads(capsys.readouterr().out)
    assert summary["left_out"] == ["faceless"]
    assert {path.name for path in out.iterdir()} == {
        "custom.onnx", "curves.png", "confusion.png", "model-card.md",
    }  # fmt: skip
    card = (out / "model-card.md").read_text()
    assert "2023-11-14" in card
    assert all(person in card for person in summary["people"])
    model = CustomModel.from_bytes((out / "custom.onnx").read_bytes())
    counts = json.loads(model.properties["facelab.training"])
    assert counts["pictures_trained_on"] == counts["pictures_held_out"] == 6
    tree = read_tree(dataset(2, name="other"))
    samples = find_faces(recognizer, [p for own in tree.values() for p in own], "test").samples
    for sample in samples:
        probabilities = model.probabilities(sample.embedding, sample.chip)
        assert model.labels[probabilities.argmax()] == sample.picture.person_id
        assert probabilities.max() >= model.thresholds.accept
    centers = unit_length(np.array([sample.embedding for sample in samples]))
    strangers = made_up_strangers(centers, 300, Spread(), np.random.default_rng(1))
    named = [
        model.probabilities(one, samples[0].chip).max() >= model.thresholds.accept
        for one in strangers
    ]
    assert np.mean(named) < 0.03


def test_the_command_gives_the_same_file_for_the_same_seed(trained):
    first, second = ((trained(name) / "custom.onnx").read_bytes() for name in ("one", "two"))
    assert first == second


def test_nothing_is_written_when_the_export_is_not_the_model(trained, monkeypatch, capsys):
    monkeypatch.setattr(exporting, "PARITY_TOLERANCE", -1.0)
    with pytest.raises(AssertionError):
        trained("refused")
    assert "nothing was written" in capsys.readouterr().err


def mixed(data):
    """Somebody else's pictures in one person's folder."""
    one, *_, other = sorted(data.iterdir())
    for picture in other.iterdir():
        picture.rename(one / f"x-{picture.name}")
    other.rmdir()
    return [f"{one.name}/x-00.png", f"{one.name}/x-02.png"]


def under_two_names(data):
    """Half of one person's pictures in a folder of another name."""
    one = min(data.iterdir())
    (data / "zoe").mkdir()
    for name in ("02.png", "03.png"):
        (one / name).rename(data / "zoe" / name)
    return [f"{one.name} and zoe", f"{one.name}/0", "zoe/0"]


@pytest.mark.parametrize("contradict", [mixed, under_two_names])
def test_contradictory_folders_are_not_trained_on_unless_they_are_trusted(
    contradict, dataset, models_dir, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(custom, "_VARIATIONS_AT_MOST", 3)
    data, out = dataset(4), tmp_path / "out"
    told = contradict(data)
    arguments = ["--data", str(data), "--out", str(out), "--models", str(models_dir)]
    arguments += ["--epochs", "2"]
    assert training.main(arguments) == 1
    refused = capsys.readouterr().err
    assert refused.startswith("facelab: the folders contradict themselves")
    assert all(part in refused for part in [*told, "--trust-data"])
    assert not out.exists()
    assert training.main([*arguments, "--trust-data", "--json"]) == 0
    trusted = capsys.readouterr()
    assert "train_face_recognition: trusted: " in trusted.err
    assert all(part in trusted.err for part in told)
    (line,) = json.loads(trusted.out)["contradictions"]
    assert told[0] in line
    assert (out / "custom.onnx").is_file()


def test_data_without_people_is_a_clear_error(tmp_path, models_dir, capsys):
    arguments = ["--data", str(tmp_path), "--models", str(models_dir)]
    assert training.main(arguments) == 1
    assert "DATA/<person>/<picture>" in capsys.readouterr().err
