"""Our networks against the originals: `face_recognition` and dlib on the same pictures."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from contract.results import Box
from recognition import Recognizer
from recognition.alignment import face_chip
from recognition.detector import Detector, overlap
from recognition.embedder import Embedder
from recognition.landmarks import LandmarkPredictor
from recognition.settings import Settings

dlib = pytest.importorskip("dlib")
models = pytest.importorskip("face_recognition_models")


def augmented(rgb: np.ndarray) -> dict[str, np.ndarray]:
    noise = np.random.default_rng(1).normal(0, 12, rgb.shape)
    height, width = rgb.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), 12, 1)
    return {
        "as it is": rgb,
        "dark": (rgb * 0.3).astype(np.uint8),
        "noisy": np.clip(rgb + noise, 0, 255).astype(np.uint8),
        "blurred": cv2.GaussianBlur(rgb, (0, 0), 2),
        "tilted": cv2.warpAffine(rgb, turn, (width, height), borderMode=cv2.BORDER_REPLICATE),
        "mirrored": np.ascontiguousarray(rgb[:, ::-1]),
    }


@pytest.fixture(scope="module")
def dlib_faces(portraits):
    """(name, picture, dlib rectangle) of every portrait and its variations."""
    find = dlib.get_frontal_face_detector()
    faces = []
    for name, portrait in portraits.items():
        for kind, picture in augmented(portrait).items():
            found = find(picture, 0)
            if found:
                largest = max(found, key=lambda rectangle: rectangle.area())
                faces.append((f"{name}, {kind}", picture, largest))
    assert len(faces) > 35
    return faces


@pytest.fixture(scope="module")
def dlib_landmarks(dlib_faces):
    predict = dlib.shape_predictor(models.pose_predictor_five_point_model_location())
    return [predict(picture, rectangle) for _, picture, rectangle in dlib_faces]


def as_points(shape) -> np.ndarray:
    return np.array([(point.x, point.y) for point in shape.parts()], np.float64)


def test_embeddings_of_the_same_chips_are_within_1e_5(models_dir, dlib_faces, dlib_landmarks):
    ours = Embedder(models_dir / "embedding.onnx")
    original = dlib.face_recognition_model_v1(models.face_recognition_model_location())
    for (name, picture, _), shape in zip(dlib_faces[::3], dlib_landmarks[::3], strict=True):
        chip = dlib.get_face_chip(picture, shape)
        distance = np.linalg.norm(ours.embed(chip) - original.compute_face_descriptor(chip))
        assert distance <= 1e-5, name


def test_embedding_of_a_bgr_chip_is_noticed(models_dir, dlib_faces, dlib_landmarks):
    """Swapped channels shift an embedding too little to look wrong, so look closely."""
    ours = Embedder(models_dir / "embedding.onnx")
    original = dlib.face_recognition_model_v1(models.face_recognition_model_location())
    (_, picture, _), shape = dlib_faces[0], dlib_landmarks[0]
    chip = dlib.get_face_chip(picture, shape)
    swapped = np.ascontiguousarray(chip[:, :, ::-1])
    right = np.array(original.compute_face_descriptor(chip))
    assert np.linalg.norm(ours.embed(swapped) - right) > 0.05
    assert np.linalg.norm(ours.embed(chip) - right) <= 1e-5


def test_embeddings_are_the_same_every_time(models_dir, dlib_faces, dlib_landmarks):
    chip = dlib.get_face_chip(dlib_faces[0][1], dlib_landmarks[0])
    first, second = (Embedder(models_dir / "embedding.onnx") for _ in range(2))
    assert np.array_equal(first.embed(chip), second.embed(chip))


def test_landmarks_in_the_same_box_are_within_a_pixel(models_dir, dlib_faces, dlib_landmarks):
    ours = LandmarkPredictor(models_dir / "landmarks.npz")
    off = []
    for (name, picture, box), shape in zip(dlib_faces, dlib_landmarks, strict=True):
        found = ours.predict(picture, Box(box.top(), box.right(), box.bottom(), box.left()))
        off.append(np.abs(found - as_points(shape)).max())
        assert off[-1] <= 1, name
    assert np.mean(np.array(off) == 0) > 0.8


def test_landmarks_of_a_face_that_hangs_out_of_the_picture(models_dir, portraits):
    ours = LandmarkPredictor(models_dir / "landmarks.npz")
    predict = dlib.shape_predictor(models.pose_predictor_five_point_model_location())
    picture = next(iter(portraits.values()))
    box = dlib.rectangle(-60, -80, 120, 100)
    found = ours.predict(picture, Box(box.top(), box.right(), box.bottom(), box.left()))
    assert np.abs(found - as_points(predict(picture, box))).max() <= 1


def test_chips_are_cut_like_dlibs(models_dir, dlib_faces, dlib_landmarks):
    """Resampling differs in detail: a few gray levels, and 0.1 in the embedding at most."""
    embedder = Embedder(models_dir / "embedding.onnx")
    distances = []
    for (name, picture, _), shape in zip(dlib_faces, dlib_landmarks, strict=True):
        theirs = dlib.get_face_chip(picture, shape)
        ours = face_chip(picture, as_points(shape))
        assert np.abs(ours.astype(int) - theirs).mean() <= 4, name
        distances.append(np.linalg.norm(embedder.embed(ours) - embedder.embed(theirs)))
    assert max(distances) <= 0.1
    assert np.median(distances) <= 0.03


def test_whole_way_lands_where_face_recognition_does(recognizer: Recognizer, portraits):
    """Another detector's box moves the landmarks: 0.15 at most, a quarter of its tolerance."""
    face_recognition = pytest.importorskip("face_recognition")
    for name, picture in list(portraits.items())[1::2]:
        theirs = face_recognition.face_encodings(picture)
        assert len(theirs) == 1, name
        ours = recognizer.observe(picture)
        assert len(ours) == 1, name
        assert np.linalg.norm(ours[0].embedding - theirs[0]) <= 0.15, name


def test_detections_are_mmods(models_dir, portraits):
    """Same faces, same place (overlap 0.45), score within 0.2 of dlib's own mmod."""
    ours = Detector(models_dir / "detector.onnx", Settings(smallest_face_px=60))
    original = dlib.cnn_face_detection_model_v1(models.cnn_face_detector_model_location())
    for name, portrait in list(portraits.items())[::2]:
        scale = 240 / max(portrait.shape)
        picture = cv2.resize(portrait, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        theirs = original(picture, 0)
        found = ours.find_all(picture)
        assert len(found) == len(theirs), name
        for face in theirs:
            box = Box(face.rect.top(), face.rect.right(), face.rect.bottom(), face.rect.left())
            best = max(found, key=lambda each: overlap(each.box, box))
            assert overlap(best.box, box) >= 0.45, name
            assert abs(best.score - face.confidence) <= 0.2, name


def test_scores_of_one_level_are_mmods(models_dir, portraits):
    """Where dlib's pyramid has its first level, both see the same pixels: equal scores."""
    import onnxruntime

    session = onnxruntime.InferenceSession(models_dir / "detector.onnx")
    original = dlib.cnn_face_detection_model_v1(models.cnn_face_detector_model_location())
    portrait = portraits["collins"][:260, 80:340]  # the head; dlib takes seconds for more
    wanted = 80 / 100  # its face is about 100 px high; the network's is 80
    picture = cv2.resize(portrait, None, fx=wanted, fy=wanted, interpolation=cv2.INTER_AREA)
    (theirs,) = original(picture, 0)
    padded = cv2.copyMakeBorder(picture, 24, 24, 24, 24, cv2.BORDER_CONSTANT, value=(123, 117, 104))
    scores = session.run(None, {"pictures": padded[None]})[0]
    assert scores.max() == pytest.approx(theirs.confidence, abs=0.15)


def test_reference_recognizer_agrees_with_ours(recognizer: Recognizer, gallery, film, portraits):
    from recognition import load_recognizer

    reference = load_recognizer(None, environment={"FACELAB_RECOGNIZER": "face_recognition"})
    clip = film(portraits["obama-2009"], count=2)
    (theirs,) = reference.recognize(clip, gallery, None).faces
    (ours,) = recognizer.recognize(clip, gallery, None).faces
    assert theirs.person_id == ours.person_id == "barack-obama"
    assert overlap(theirs.box, ours.box) > 0.5
    assert theirs.online.distance == pytest.approx(ours.online.distance, abs=0.1)
