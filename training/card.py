"""The model card: what a model was made of, what it can do, and where not to trust it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from training.export import Parity
from training.fitting import FitOptions
from training.trained import Trained

_ABOUT = {
    "transfer": (
        "A head on dlib's 128-d face embedding network: for each person a center and a radius "
        "in a learned linear map of the embedding space, a softmax over the people and "
        '"nobody". Faces far from every center get little probability for anybody.'
    ),
    "transfer-fine-tuned": (
        "dlib's 128-d face embedding network with its last residual stage and projection trained "
        "further on these people at a tenth of the head's learning rate, and the transfer head on "
        'it: for each person a center and a radius, a softmax over the people and "nobody". It '
        "runs the network again for each face, beside the unchanged one that the online model "
        "needs; the plain transfer head reuses that one's result in next to no time. With few "
        "photos the plain head is the better choice: what the stage learns from them may not hold "
        "for other days, and made-up strangers cannot show where it now puts real ones."
    ),
    "scratch": (
        "Two convolutional networks (5 stages, 16 to 128 channels) on 160×160 crops, trained from "
        "nothing to tell these people from each other and from made-up ones, who are all nobody; "
        "each without pictures that the other has, and the answer is their mean. (The curves are "
        "the first one's.) They learn these few pictures rather than faces: use them to compare, "
        "not to open doors."
    ),
}


@dataclass(frozen=True)
class ModelCost:
    """What a model costs: its file, and the time for one face where it was trained."""

    size_bytes: int
    ms_per_face: float


def write_card(
    trained: Trained,
    arch: str,
    options: FitOptions,
    created: str,
    parity: Parity,
    cost: ModelCost,
    path: Path,
) -> None:
    counts, calibration = trained.counts, trained.calibration
    held_out = counts["pictures_held_out"]
    measured_on = (
        f"{held_out} held-out pictures and variations of them"
        if held_out
        else "moved variations of the training pictures (too few pictures to hold any out)"
    )
    made_up = (
        "people made up of these people's faces, who are harder to tell than real strangers"
        if arch == "scratch"
        else "made-up strangers, and each person in turn with their own column removed"
    )
    real = counts["background_pictures"]
    strangers = (
        f"{real} pictures of real strangers (half of them for the calibration), {made_up}"
        if real
        else made_up
    )
    people = "\n".join(f"- `{person}`" for person in trained.labels)
    path.write_text(
        f"""# Model card: custom model ({arch})

Created {created}, format `facelab.custom/1`, {cost.size_bytes / 1024:.0f} KB,
{cost.ms_per_face:.2g} ms for each face on the machine that trained it.

{_ABOUT[arch]}

## People

{people}

## Training

| | |
| --- | --- |
| pictures trained on | {counts["pictures_trained_on"]} |
| pictures held out | {held_out}{", each by one of two networks" if arch == "scratch" else ""} |
| variations of each picture | {counts["variations_of_each"]} |
| optimizer | Adam, learning rate {options.learning_rate}, batch {options.batch_size} |
| epochs | {"; ".join(map(str, trained.histories))} |
| seed | {options.seed} |

Faces were found, aligned and embedded by the function's own code. Curves: `curves.png`.

## Thresholds

| | |
| --- | --- |
| accept (mean over a clip's faces) | {calibration.accept} |
| candidate (one face may vote) | {calibration.candidate} |
| margin to the second | {calibration.margin} |

On single faces: {_percent(calibration.known_named)} of known faces named rightly
({measured_on}), {_percent(calibration.strangers_named)} of strangers named
({strangers}). A clip's answer is made of several faces. Confusion: `confusion.png`.

torch and the exported file differ by at most {parity.largest_difference:.1e} in any
probability over {parity.faces} faces.

## Limits

- It knows these people only. Whoever is missing here, or was enrolled later, is unknown to it.
- {held_out or "No"} held-out pictures are few: measure with `make evaluate` on pictures that
  the training has not seen.
- The embedding network is dlib's, trained by its author on about 3 million pictures of 7,485
  people: FaceScrub, VGG faces and pictures from the web, public figures most of them. Nobody
  published shares by sex, age or skin; expect more mistakes on children and on groups that are
  rare among public figures. Measured on 810 portraits that it may or may not have seen: pairs of
  women look alike to it five times as often as pairs of men (1.39 and 0.26 % within the accept
  distance of one). `make evaluate` reports by group, and which is worst: look at yours.
- It tells photographs from living faces no better than any camera: never a key to anything.
""",
        encoding="utf-8",
    )


def _percent(share: float | None) -> str:
    return "none measured" if share is None else f"{share:.1%}"
