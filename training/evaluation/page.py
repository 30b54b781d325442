"""The evaluation as a page of the one template that all reports have."""

from __future__ import annotations

import base64
import html
import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from scripts.report.page import ClipRow, Report
from training.evaluation.open_set_page import SCROLL, open_set_section, tick

# Beside the style of every report: two columns of charts, pictures in pairs, the matrix.
_STYLE = """
:root{--online:#2563eb;--custom:#b8430a;--final:#047857}
@media(prefers-color-scheme:dark){:root{--online:#60a5fa;--custom:#fb923c;--final:#34d399}}
.soft,figcaption{color:var(--dim)}.soft{max-width:75ch}.online{color:var(--online)}
.custom{color:var(--custom)}.final{color:var(--final)}.card,figure{border:1px solid var(--line);
border-radius:.5rem;padding:1rem}.charts{display:grid;gap:1rem;
grid-template-columns:repeat(auto-fit,minmax(330px,34rem))}.card svg{height:auto}
svg text{font:11px system-ui,sans-serif;fill:var(--dim)}
.faces{display:grid;grid-template-columns:repeat(auto-fill,minmax(240px,1fr));gap:.9rem}
figure{margin:0;padding:0;overflow:hidden}figure div{display:flex}
figure img{width:50%;aspect-ratio:1;object-fit:cover;border-radius:0}
figure img.wide{width:100%;aspect-ratio:4/3}figcaption{padding:.6rem .8rem;font-size:.85rem;
overflow-wrap:anywhere}figcaption b{color:var(--text)}
.heat td,.heat th{padding:3px 6px;font-size:12px;text-align:center}
.heat th:first-child{text-align:right}.heat{overflow:auto;display:block;border:0}
details{margin:10px 0}summary{cursor:pointer;color:var(--dim)}
"""


@dataclass(frozen=True)
class Mistake:
    """One error to show: the picture, the enrollment it was taken for, and what happened."""

    title: str
    text: str
    face: np.ndarray
    taken_for: np.ndarray | None = None


@dataclass(frozen=True)
class Chart:
    """ROC points and score histograms of one model. `accept` is the decision's threshold."""

    model: str
    roc: list[tuple[float, float]]
    own: np.ndarray
    others: np.ndarray
    accept: float | None
    unit: str


def evaluation_report(
    report: dict,
    charts: Sequence[Chart],
    mistakes: Sequence[Mistake],
    clips: Sequence[ClipRow] = (),
) -> Report:
    """The page for `report` (what eval.json holds); `clips` are rows of those asked about."""
    drawn = [
        _head(report),
        open_set_section(report),
        open_set_section(report["clips"]) if report["clips"] and report["voting"] else "",
        _modes(report),
        _clips(report.get("clips")),
        _pairs(report["pairs"]),
        _charts(charts),
        _confusions(report),
        _mistakes(mistakes),
        _method(report),
    ]
    return Report(
        title="How good are the two models?",
        ok=None,
        figures=_figures(report),
        drawn="".join(drawn),
        style=_STYLE,
        clips=clips,
        clips_in_all=report["data"]["clips"],
    )


def _head(report: dict) -> str:
    data = report["data"]
    return (
        f"<p class=soft>{_text(data['name'])}: "
        f"{data['people_enrolled']} people enrolled with {data['enrolment_pictures']} pictures, "
        f"{data['probe_pictures']} pictures of them asked about, "
        f"{data['stranger_pictures']} pictures of {data['strangers']} strangers, "
        f"{data['clips']} clips. {_text(report['created'])}.</p>"
    )


def _figures(report: dict) -> list[tuple[str, str]]:
    found = []
    for model in ("online", "custom"):
        for key, what in (("rank1", "rank 1"), ("stranger_rejection", "strangers rejected")):
            bounds = report[model].get("interval_95", {}).get(key)
            between = f", 95 %: {_percent(bounds[0])} to {_percent(bounds[1])}" if bounds else ""
            found.append((f"{what}, {model}{between}", _percent(report[model][key])))
    return [
        *found,
        ("no face found", _percent(report["online"]["no_detection_rate"])),
        ("verification, 10 folds", _percent(report["pairs"]["accuracy"])),
    ]


_COLUMNS = (
    ("rank1", "rank 1"),
    ("named_right", "named right"),
    ("named_wrong", "named wrong"),
    ("stranger_rejection", "strangers rejected"),
    ("tar_at_far_1pct", "TAR at FAR 1 %"),
    ("tar_at_far_01pct", "TAR at FAR 0.1 %"),
)


def _modes(report: dict) -> str:
    rows = []
    for mode, title in (("off", "one picture"), ("on", "five pictures vote")):
        for model, figures in (report["voting"] or {}).get(mode, {}).items():
            cells = "".join(_cell(figures.get(key)) for key, _ in _COLUMNS)
            known, strangers = figures["n"]["known"], figures["n"]["strangers"]
            rows.append(
                f'<tr><td>{title}</td><td class="{model}">{model}</td>{cells}'
                f"<td>{known} + {strangers}</td></tr>"
            )
    if not rows:
        return ""
    heads = "".join(f"<th>{name}</th>" for _, name in _COLUMNS)
    return (
        "<h2>Pictures, with and without voting</h2><p class=soft>The decision over several "
        "frames, as a clip gets it, on groups of up to five pictures of one person. “Final” is "
        "what a result names: both models weighed together.</p>"
        f"{SCROLL}<table><tr><th></th><th></th>{heads}<th>known + strangers</th></tr>"
        f"{''.join(rows)}</table></div>"
    )


_CLIP_COLUMNS = (
    ("named_right", "one person, right"),
    ("rank1", "rank 1"),
    ("several_complete", "several, all named"),
    ("stranger_rejection", "strangers rejected"),
    ("empty_right", "nobody, no face"),
    ("no_detection_rate", "face missed"),
    ("wrong_names", "clips with a wrong name"),
)


def _clips(clips: dict | None) -> str:
    if not clips:
        return ""
    rows = []
    for mode, title in (("off", "one frame"), ("on", "the whole clip")):
        for model, figures in clips[mode].items():
            cells = "".join(_cell(figures.get(key)) for key, _ in _CLIP_COLUMNS)
            rows.append(f'<tr><td>{title}</td><td class="{model}">{model}</td>{cells}</tr>')
    heads = "".join(f"<th>{name}</th>" for _, name in _CLIP_COLUMNS)
    count = clips["on"]["online"]["n"]
    return (
        f"<h2>Clips</h2><p class=soft>{count['single_person']} clips of one person, "
        f"{count['several_people']} of several, {count['with_strangers']} with strangers, "
        f"{count['empty']} of nobody, {count['rejected']} rejected as unreadable.</p>"
        f"{SCROLL}<table><tr><th></th><th></th>{heads}</tr>{''.join(rows)}</table></div>"
    )


def _pairs(pairs: dict) -> str:
    if not pairs["n"]:
        return ""
    return (
        f"<h2>Pairs</h2><p class=soft>{pairs['n']} pairs ({_text(pairs['source'])}), "
        f"{pairs['same']} of them of the same person: {_percent(pairs['accuracy'])} "
        f"± {_percent(pairs['deviation'])} right over ten folds, each with the threshold that was "
        f"best on the other nine; over all pairs that is a distance of {pairs['threshold']}. "
        f"In {pairs['without_face']} pairs a face was not found: counted as “different”.</p>"
    )


def _charts(charts: Sequence[Chart]) -> str:
    drawn = [_roc(charts)] + [_histogram(chart) for chart in charts]
    drawn = [f"<div class=card>{drawing}</div>" for drawing in drawn if drawing]
    return f"<h2>Scores</h2><div class=charts>{''.join(drawn)}</div>" if drawn else ""


def _roc(charts: Sequence[Chart]) -> str:
    lines = [chart for chart in charts if chart.roc]
    if not lines:
        return ""
    lowest = math.floor(min(math.log10(chart.roc[0][0]) for chart in lines))
    lowest = min(lowest, -1)

    def x(rate: float) -> float:
        return 40 + 320 * (1 - math.log10(max(rate, 10.0**lowest)) / lowest)

    floor = min(0.9, math.floor(10 * min(rate for c in lines for _, rate in c.roc)) / 10)

    def y(rate: float) -> float:
        return 20 + 190 * (1 - (rate - floor) / (1 - floor))

    body = [
        f'<line x1="{x(10.0**e):.1f}" x2="{x(10.0**e):.1f}" y1="20" y2="210" stroke="var(--line)"/>'
        f"{tick(x(10.0**e), e)}"
        for e in range(lowest, 1)
    ]
    for step in range(5):
        rate = floor + (1 - floor) * step / 4
        body.append(
            f'<line x1="40" x2="360" y1="{y(rate):.1f}" y2="{y(rate):.1f}" stroke="var(--line)"/>'
            f'<text x="34" y="{y(rate) + 4:.1f}" text-anchor="end">{rate * 100:.0f}</text>'
        )
    for chart in lines:
        points = " ".join(f"{x(far):.1f},{y(tar):.1f}" for far, tar in chart.roc)
        body.append(
            f'<polyline points="{points}" fill="none" stroke="var(--{chart.model})" '
            'stroke-width="2"/>'
        )
    return (
        "<b>Accepted as themselves, %, by the share of others accepted as them</b>"
        f'<svg viewBox="0 0 372 234" role="img" aria-label="ROC">{"".join(body)}</svg>'
        '<span class="online">— online</span> <span class="custom">— custom</span>'
    )


def _histogram(chart: Chart) -> str:
    values = np.concatenate([chart.own, chart.others])
    if not len(values):
        return ""
    edges = np.linspace(values.min(), values.max() + 1e-6, 41)
    body = []
    for scores, color in ((chart.others, "#9ca3af"), (chart.own, f"var(--{chart.model})")):
        counts = np.histogram(scores, edges)[0].astype(float)
        for index, height in enumerate(counts / max(counts.max(), 1.0)):
            if height:
                body.append(
                    f'<rect x="{10 + index * 8.75:.1f}" width="8" y="{210 - 180 * height:.1f}" '
                    f'height="{180 * height:.1f}" fill="{color}" opacity=".6"/>'
                )
    for value in (edges[0], (edges[0] + edges[-1]) / 2, edges[-1]):
        place = 10 + 350 * (value - edges[0]) / (edges[-1] - edges[0])
        body.append(f'<text x="{place:.0f}" y="226" text-anchor="middle">{abs(value):.2f}</text>')
    if chart.accept is not None and edges[0] <= chart.accept <= edges[-1]:
        place = 10 + 350 * (chart.accept - edges[0]) / (edges[-1] - edges[0])
        body.append(
            f'<line x1="{place:.1f}" x2="{place:.1f}" y1="20" y2="210" stroke="var(--text)" '
            f'stroke-dasharray="4 3"/><text x="{place:.1f}" y="14" '
            'text-anchor="middle">accept</text>'
        )
    return (
        f"<b>{chart.model.capitalize()}: {_text(chart.unit)} to oneself (color) and to the "
        "nearest other (gray)</b>"
        f'<svg viewBox="-6 0 384 234" role="img" aria-label="{chart.model} scores">'
        f"{''.join(body)}</svg>"
    )


def _confusions(report: dict) -> str:
    parts = ["<h2>Who is taken for whom</h2>"]
    for model in ("online", "custom"):
        matrix = report[model]["confusion"]
        rows, columns = matrix["rows"], matrix["columns"]
        counts = np.array(matrix["counts"])
        wrong = [
            (int(counts[r, c]), rows[r], columns[c])
            for r, c in np.argwhere(counts > 0)
            if rows[r] != columns[c] and not columns[c].startswith("(")
        ]
        wrong.sort(reverse=True)
        listed = "; ".join(f"{_text(a)} as {_text(b)} {n}×" for n, a, b in wrong[:20])
        parts.append(
            f'<p><span class="{model}">{model}</span>: {listed or "nobody for somebody else"}.</p>'
        )
        if len(rows) <= 60:
            parts.append(_heat(rows, columns, counts))
    return "".join(parts)


def _heat(rows: list[str], columns: list[str], counts: np.ndarray) -> str:
    totals = np.maximum(counts.sum(1), 1)
    head = "".join(f'<th title="{_text(name)}">{_text(_short(name))}</th>' for name in columns)
    body = []
    for row, name in enumerate(rows):
        cells = []
        for column, count in enumerate(counts[row]):
            strength = count / totals[row]
            right = rows[row] == columns[column] or (
                row == len(rows) - 1 and columns[column].startswith("(")
            )
            color = f"rgba({'5,150,105' if right else '220,38,38'},{0.15 + 0.75 * strength:.2f})"
            style = f' style="background:{color}"' if count else ""
            cells.append(f"<td{style}>{count or ''}</td>")
        body.append(f"<tr><th>{_text(name)}</th>{''.join(cells)}</tr>")
    return (
        f"<details><summary>the whole matrix</summary>{SCROLL}<table class=heat>"
        f"<tr><th></th>{head}</tr>"
        f"{''.join(body)}</table></div></details>"
    )


def _mistakes(mistakes: Sequence[Mistake]) -> str:
    if not mistakes:
        return "<h2>Worst errors</h2><p>None: nothing was named wrongly and no face missed.</p>"
    figures = []
    for mistake in mistakes:
        wide = "" if mistake.taken_for is not None else " class=wide"
        pictures = f'<img{wide} alt="asked about" src="{_data_uri(mistake.face)}">'
        if mistake.taken_for is not None:
            pictures += f'<img alt="enrolled" src="{_data_uri(mistake.taken_for)}">'
        figures.append(
            f"<figure><div>{pictures}</div><figcaption><b>{_text(mistake.title)}</b><br>"
            f"{_text(mistake.text)}</figcaption></figure>"
        )
    return (
        "<h2>Worst errors</h2><p class=soft>Left the face that was asked about, right the nearest "
        f"enrolled picture.</p><div class=faces>{''.join(figures)}</div>"
    )


def _method(report: dict) -> str:
    data, settings = report["data"], report["settings"]
    shown = ", ".join(f"{_text(name)} {value}" for name, value in settings.items())
    return (
        "<h2>How this was measured</h2><p class=soft>Who is enrolled, asked about or a stranger "
        f"was drawn by names and seed {data['seed']} before any picture was opened; "
        f"{_text(data['strangers_are'])}. Faces are found, aligned, embedded and decided by the "
        "function's own code; the custom model was "
        f"{_text(data['custom_model'])}. A known face that was not found counts against rank 1 "
        "and TAR. TAR and FAR compare every picture with every enrolled person. "
        f"Unreadable files: {data['unreadable']}.</p><p class=soft>{shown}</p>"
    )


def _cell(value: float | int | None) -> str:
    return f"<td>{value if isinstance(value, int) else _percent(value)}</td>"


def _percent(value: float | None) -> str:
    if value is None:
        return "–"
    digits = 1 if value < 0.9995 else 0
    return f"{value * 100:.{digits}f}\N{NO-BREAK SPACE}%"


def _short(name: str) -> str:
    return name if len(name) <= 10 else name[:9] + "…"


def _text(value: object) -> str:
    return html.escape(str(value))


def _data_uri(rgb: np.ndarray) -> str:
    side = max(rgb.shape[:2])
    if side > 240:
        rgb = cv2.resize(rgb, None, fx=240 / side, fy=240 / side, interpolation=cv2.INTER_AREA)
    bgr = np.ascontiguousarray(rgb[..., ::-1])
    _, coded = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, 80])
    return "data:image/jpeg;base64," + base64.b64encode(coded.tobytes()).decode()
