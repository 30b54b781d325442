"""The plan's simulation: nothing is lost in it, limits limit, and its bill is the estimate's."""

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import simpy

from scripts.aws.cost import Usage, per_clips
from scripts.cli.plan import main
from scripts.paths import ROOT
from scripts.plan.check import check
from scripts.plan.cores import SharedCores
from scripts.plan.figures import LogNormal, NotMeasured, Work, measured_work
from scripts.plan.page import page
from scripts.plan.planning import SECONDS_A_MONTH, Asked, billed_ms, month_usd, plan
from scripts.plan.simulation import Scenario, Simulation

WORK = Work(compute=LogNormal(80, 160), waiting=LogNormal(20, 40), init=900)
SMALL = Scenario(50, 2.0, 4.0, 1769, 1000, through_queue=False)


@pytest.mark.parametrize("through_queue", [False, True])
@pytest.mark.parametrize("quota", [3, 1000])
def test_every_clip_is_answered_once(through_queue, quota):
    outcome = Simulation(replace(SMALL, through_queue=through_queue, concurrency=quota), WORK).run()
    assert outcome.clips == 400
    assert len(outcome.latencies) == 400
    assert min(outcome.latencies) > 0
    assert outcome.most_environments <= quota


def test_the_same_seed_gives_the_same_run():
    first, again, other = (
        Simulation(replace(SMALL, seed=seed), WORK).run().latencies for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other


def test_a_quota_below_the_need_throttles_and_a_queue_waits_instead():
    direct = Simulation(replace(SMALL, concurrency=3), WORK).run()
    queued = Simulation(replace(SMALL, concurrency=3, through_queue=True), WORK).run()
    assert direct.throttled > 0
    assert queued.throttled == 0
    assert queued.most_waiting > 0
    enough = Simulation(SMALL, WORK).run()
    assert enough.throttled == 0
    assert np.median(direct.latencies) > np.median(enough.latencies)


def test_cold_starts_are_counted_and_a_warm_run_has_none():
    assert Simulation(SMALL, WORK).run().cold > 0
    assert Simulation(replace(SMALL, warm=True), WORK).run().cold == 0


def test_no_more_than_a_thousand_environments_begin_in_ten_seconds():
    many = Scenario(6000, 2.0, 1.0, 1769, 10_000, through_queue=False)
    outcome = Simulation(many, WORK).run()
    assert outcome.throttled > 0
    assert 1000 < outcome.most_environments < 3000


@pytest.mark.parametrize("through_queue", [False, True])
@pytest.mark.parametrize("warm", [False, True])
def test_a_part_of_a_large_fleet_behaves_as_the_whole(through_queue, warm):
    """A million devices took many minutes, where the command promised one."""
    whole = Scenario(6000, 2.0, 2.0, 1769, 2000, through_queue, queues=2, warm=warm)
    every, tenth = (Simulation(replace(whole, part=part), WORK).run() for part in (1.0, 0.1))
    assert tenth.clips == every.clips / 10
    assert tenth.throttled * 10 == pytest.approx(every.throttled, rel=0.15)
    assert tenth.most_environments * 10 == pytest.approx(every.most_environments, rel=0.1)
    for share in (50, 95):
        of_whole = np.percentile(every.latencies, share)
        assert np.percentile(tenth.latencies, share) == pytest.approx(of_whole, rel=0.1)


def test_a_million_devices_are_told_whole_from_no_more_clips_than_ten_thousand():
    made = plan(Asked(1_000_000, 2.0, "us-east-1"), WORK)["runs"]["direct_steady"]
    assert (made["devices"], made["clips"], made["part"]) == (1_000_000, 4_000_000, 0.01)
    assert made["most_environments"] > 100_000


def test_a_tenth_of_the_concurrency_need_is_by_littles_law():
    made = plan(Asked(100, 2.0, "us-east-1"), WORK)
    busy = 200 * billed_ms(Asked(100, 2.0, "us-east-1"), WORK) / 1000
    assert busy < made["concurrency"]["needed"] < 1.5 * busy + 2


def test_less_memory_is_slower_and_the_cheapest_size_is_marked_once():
    made = plan(Asked(10, 2.0, "us-east-1"), WORK)
    of_x86 = [row for row in made["memory_sizes"] if row["architecture"] == "x86_64"]
    assert of_x86[0]["billed_ms"] > of_x86[-1]["billed_ms"]
    cheapest = [row for row in made["memory_sizes"] if row["cheapest"]]
    assert len(cheapest) == 1
    assert cheapest[0]["lambda_usd"] == min(row["lambda_usd"] for row in made["memory_sizes"])


def test_the_bill_is_the_estimate_of_aws_up():
    asked = Asked(1, 1.0, "us-east-1", clip_kb=1024 * 0.33)
    flat = Work(LogNormal(180, 180), LogNormal(20, 20), 0)
    bill = month_usd(asked, flat)
    lines = {line.what: line.usd for line in per_clips(SECONDS_A_MONTH, "x86_64", Usage())}
    assert bill["lambda_compute"] == pytest.approx(lines["Lambda compute"], abs=0.01)
    assert bill["sqs"] == pytest.approx(lines["SQS"], abs=0.01)
    assert bill["dynamodb"] == pytest.approx(lines["DynamoDB"], rel=0.001)


def test_a_gate_on_the_device_cuts_the_bill_by_what_it_holds_back():
    whole = month_usd(Asked(100, 2.0, "us-east-1"), WORK)["total"]
    gated = month_usd(Asked(100, 2.0, "us-east-1", sent_share=0.25), WORK)["total"]
    assert gated == pytest.approx(whole / 4, rel=0.001)


def test_too_many_requests_for_a_limit_are_said():
    rows = plan(Asked(30_000, 2.0, "us-east-1"), WORK)["requests"]
    assert [row["fits"] for row in rows] == [True, False, False]


def test_stages_come_from_a_measured_run(tmp_path):
    run = tmp_path / "e2e.json"
    with pytest.raises(NotMeasured, match="no end-to-end run"):
        measured_work(run)
    run.write_text('{"stages_ms": {}}')
    with pytest.raises(NotMeasured):
        measured_work(run)
    run.write_text(json.dumps(E2E))
    assert measured_work(run).compute.p50 == 85
    assert measured_work(run).waiting.p50 == 30
    assert measured_work(run).init == 900


def test_a_run_without_a_cold_start_makes_none_that_takes_no_time(tmp_path):
    """`make up` starts the environments, so a run has no `init_ms`; the plan took it for 0 ms."""
    run = tmp_path / "e2e.json"
    run.write_text(json.dumps(E2E | {"init_ms": None}))
    kept = json.loads((ROOT / "docs" / "figures.json").read_text())["compute"]["values"]
    assert measured_work(run).init == kept["init_ms"] > 0


E2E = {
    "stages_ms": {"claim": 14, "fetch": 8, "recognize": 85, "look_up": 8, "detect": 60},
    "init_ms": 900,
    "latency_ms": {"warm_clip_end": {"p50": 160, "p95": 380}, "clip_end": {"p50": 1, "p95": 2}},
}


def run_command_line(tmp_path: Path, *arguments: str) -> Path:
    stages, out = tmp_path / "e2e.json", tmp_path / "plan.json"
    stages.write_text(json.dumps(E2E))
    assert main([*arguments, "--stages", str(stages), "--out", str(out)]) == 0
    return out


def test_the_command_writes_json_and_a_page_that_needs_nothing_else(tmp_path, capsys):
    out = run_command_line(tmp_path, "--devices", "20", "--region", "eu-central-1")
    made = json.loads(out.read_text())
    assert made["asked"]["clips_per_s"] == 40
    text = out.with_suffix(".html").read_text()
    assert "20 devices" in text
    assert "http" not in text
    assert "environments" in capsys.readouterr().out
    assert page(made) == text


@pytest.mark.parametrize(
    "arguments",
    [
        ["--devices", "0"],
        ["--rate", "0"],
        ["--rate", "-1"],
        ["--region", "mars-1"],
        ["--memory", "64"],
        ["--sent-share", "2"],
    ],
)
def test_what_can_not_be_planned_is_refused(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2


CLIPS = [
    {"clip_end": 110.0 + 2 * step, "recognize": 60.0 + 2 * step, "waiting": 25.0}
    for step in range(50)
]
RUN = {
    "warm_clips_ms": CLIPS,
    "cpu_ms_per_clip": {"emulator": 50.0, "function": 120.0, "device": 25.0},
}


def _run_and_soak(folder: Path, **soak: object) -> tuple[Path, Path]:
    """A run of one device at 160 ms, and a soak of two that fits it."""
    e2e, soaked = folder / "e2e.json", folder / "soak.json"
    e2e.write_text(json.dumps(RUN))
    latency = {"p50": 165.0, "p95": 230.0}
    facts = {"devices": 2, "recorded": 120, "recording_s": 60.0, "latency_ms": latency} | soak
    soaked.write_text(json.dumps(facts))
    return e2e, soaked


@pytest.fixture(autouse=True)
def two_cores(monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 2)


def test_a_soak_is_foretold_from_a_run_of_one_device(tmp_path, capsys):
    e2e, soak = _run_and_soak(tmp_path)
    found = check(e2e, soak)
    assert found["holds"], found
    out = tmp_path / "out" / "plan.json"
    assert main(["--stages", str(e2e), "--check", str(soak), "--out", str(out)]) == 0
    assert "holds within 25 %" in capsys.readouterr().out
    assert json.loads(out.with_name("plan-check.json").read_text()) == found
    assert not out.exists(), "nothing was planned"


def test_more_clips_than_the_lab_can_take_are_foretold_to_wait(tmp_path):
    calm = check(*_run_and_soak(tmp_path))
    flood = check(*_run_and_soak(tmp_path, recorded=2400))
    assert flood["foretold_ms"]["p50"] > 10 * calm["foretold_ms"]["p50"]
    assert not flood["holds"]


def test_a_soak_that_went_otherwise_is_told(tmp_path, capsys):
    e2e, soak = _run_and_soak(tmp_path, latency_ms={"p50": 300.0, "p95": 900.0})
    out = str(tmp_path / "plan.json")
    assert main(["--stages", str(e2e), "--check", str(soak), "--out", out]) == 1
    assert "off by more than 25 %" in capsys.readouterr().out


def test_without_a_soak_it_says_which_command_makes_one(tmp_path):
    e2e, _ = _run_and_soak(tmp_path)
    with pytest.raises(NotMeasured, match="holds no soak") as error:
        check(e2e, tmp_path / "nowhere.json")
    assert "make soak" in str(error.value.hint)


def test_a_run_whose_cpu_nobody_could_see_foretells_nothing(tmp_path):
    e2e, soak = _run_and_soak(tmp_path)
    e2e.write_text(json.dumps(RUN | {"cpu_ms_per_clip": {"device": 25.0}}))
    with pytest.raises(NotMeasured, match="embedded"):
        check(e2e, soak)


@pytest.mark.parametrize(
    ("jobs", "takes_turns", "ends"),
    [
        ([1.0, 1.0], False, [1.0, 1.0]),  # a core for each
        ([1.0, 1.0], True, [2.0, 2.0]),  # one interpreter
        ([1.0, 1.0, 1.0], False, [1.5, 1.5, 1.5]),
        ([2.0, 2.0], False, [2.0, 2.0]),
        ([0.25, 0.25], True, [1.0, 1.0]),  # room enough in a turn
    ],
)
def test_more_work_than_cores_slows_all_of_it(jobs, takes_turns, ends):
    env = simpy.Environment()
    cores, ended = SharedCores(env, 2), []

    def job(width):
        yield cores.spend(1.0, width, takes_turns=takes_turns)
        ended.append(env.now)

    for width in jobs:
        env.process(job(width))
    env.run()
    assert ended == pytest.approx(ends)


def test_a_job_that_comes_later_slows_only_what_is_left():
    env = simpy.Environment()
    cores, ended = SharedCores(env, 1), {}

    def job(name, begins):
        yield env.timeout(begins)
        yield cores.spend(1.0, 1.0)
        ended[name] = env.now

    env.process(job("first", 0.0))
    env.process(job("second", 0.5))
    env.run()
    assert ended == pytest.approx({"first": 1.5, "second": 2.0})
