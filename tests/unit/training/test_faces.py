from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from training.dataset import DatasetPicture, read_picture
from training.faces import find_faces, observe_main_face


def cut_tightly(recognizer, rgb: np.ndarray, width: int) -> np.ndarray:
    """A tiny gray picture without room around the face, as old face archives have them."""
    box = recognizer.observe(rgb)[0].box
    face = rgb[max(0, box.top) : box.bottom, max(0, box.left) : box.right]
    gray = cv2.cvtColor(face, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(gray, (width, round(width * 1.2)), interpolation=cv2.INTER_AREA)
    return np.repeat(small[..., None], 3, axis=2)


def test_a_tiny_gray_picture_cut_at_the_chin_has_a_face(recognizer, photos):
    for photo in photos.values():
        rgb = read_picture(photo)
        seen = observe_main_face(recognizer, cut_tightly(recognizer, rgb, 60))
        assert seen is not None, photo
        whole = recognizer.observe(rgb)[0]
        assert np.linalg.norm(seen[0].embedding - whole.embedding) < 0.55


def test_a_huge_picture_is_looked_at_smaller(recognizer, photos):
    rgb = read_picture(next(iter(photos.values())))
    huge = cv2.resize(rgb, None, fx=3000 / rgb.shape[1], fy=3000 / rgb.shape[1])
    seen, _ = observe_main_face(recognizer, huge)
    assert seen.box.right <= 1600


def test_what_gives_no_face_is_listed_and_stops_nothing(recognizer, photos, tmp_path):
    photo = next(iter(photos.values()))
    Image.new("RGB", (300, 300), "white").save(tmp_path / "wall.png")
    (tmp_path / "broken.png").write_bytes(b"nothing")
    pair = np.concatenate(
        [
            np.asarray(Image.open(one).convert("RGB").resize((400, 400)))
            for one in list(photos.values())[:2]
        ],
        axis=1,
    )
    Image.fromarray(pair).save(tmp_path / "two.png")
    paths = [photo, *(tmp_path / name for name in ("wall.png", "broken.png", "two.png"))]
    pictures = [DatasetPicture(Path(path), "ada", None, path.stem, False) for path in paths]
    found = find_faces(recognizer, pictures, "test")
    assert [sample.picture.path for sample in found.samples] == [photo, tmp_path / "two.png"]
    assert [picture.path.name for picture in found.without_face] == ["wall.png"]
    assert [path.name for path in found.unreadable] == ["broken.png"]
    assert [picture.path.name for picture in found.several_faces] == ["two.png"]
