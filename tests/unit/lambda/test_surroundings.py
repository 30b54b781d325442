"""What the stack tells the functions, and what their log gets of it."""

from __future__ import annotations

import logging

import pytest

from surroundings import Surroundings, set_log_level


def test_names_come_from_the_environment_and_a_missing_one_is_named(monkeypatch):
    monkeypatch.setenv("FACELAB_PREFIX", "lab-2")
    monkeypatch.setenv("FACELAB_BUCKET", "clips")
    assert Surroundings.of_function() == Surroundings("lab-2", "clips")
    monkeypatch.delenv("FACELAB_BUCKET")
    with pytest.raises(KeyError, match="FACELAB_BUCKET"):
        Surroundings.of_function()


@pytest.mark.parametrize(("asked", "level"), [(None, "INFO"), ("DEBUG", "DEBUG")])
def test_the_log_has_what_is_asked_for_and_botocores_warnings_alone(monkeypatch, asked, level):
    loggers = [logging.getLogger(), logging.getLogger("botocore")]
    before = [one.level for one in loggers]
    if asked:
        monkeypatch.setenv("FACELAB_LOG_LEVEL", asked)
    else:
        monkeypatch.delenv("FACELAB_LOG_LEVEL", raising=False)
    try:
        set_log_level()
        assert [logging.getLevelName(one.level) for one in loggers] == [level, "WARNING"]
    finally:
        for one, kept in zip(loggers, before, strict=True):
            one.setLevel(kept)
