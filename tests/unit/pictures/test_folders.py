from __future__ import annotations

import os

import pytest
from PIL import Image

from pictures import Refusal, files_below, find_pictures


def test_every_file_ends_as_taken_or_refused(tmp_path):
    (tmp_path / "b" / "c").mkdir(parents=True)
    Image.new("RGB", (8, 8)).save(tmp_path / "b" / "c" / "deep.png")
    Image.new("RGB", (8, 8)).save(tmp_path / "a.JPG", format="JPEG")
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / ".DS_Store").write_text("x")
    (tmp_path / "film.mp4").write_bytes(b"\0\0\0\x18ftypisom")
    os.mkfifo(tmp_path / "pipe")
    found = list(find_pictures(tmp_path))
    taken = [one.relative_to(tmp_path).as_posix() for one in found if not isinstance(one, Refusal)]
    refused = {one.source: one.reason for one in found if isinstance(one, Refusal)}
    assert taken == ["a.JPG", "b/c/deep.png"]
    assert set(refused) == {"notes.txt", ".DS_Store", "film.mp4", "pipe"}
    assert "video" in refused["film.mp4"]
    assert refused[".DS_Store"] == "hidden"


def test_linked_folder_is_named_and_a_circle_of_links_ends(tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "elsewhere").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "elsewhere" / "a.png")
    (tmp_path / "photos" / "linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "photos" / "circle").symlink_to(tmp_path / "photos")
    (tmp_path / "photos" / "dead").symlink_to(tmp_path / "gone")
    found = list(find_pictures(tmp_path / "photos"))
    assert {one.source for one in found} == {"linked", "circle", "dead"}
    assert str(tmp_path / "elsewhere") in next(
        one.reason for one in found if one.source == "linked"
    )


def test_folder_that_is_itself_a_link_is_looked_into(tmp_path):
    (tmp_path / "real").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "real" / "a.png")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (path,) = find_pictures(tmp_path / "link")
    assert path == tmp_path / "link" / "a.png"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may look into every folder")
def test_folder_that_may_not_be_looked_into_is_named(tmp_path):
    (tmp_path / "locked").mkdir(mode=0)
    (refusal,) = files_below(tmp_path)
    assert refusal.source == "locked"


def test_pipe_in_place_of_a_folder_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (refusal,) = find_pictures(tmp_path / "pipe")
    assert "neither" in refusal.reason
