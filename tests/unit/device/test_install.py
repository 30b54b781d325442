from __future__ import annotations

import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from device import install as install_module
from device.install import SERVICES, InstallError, Steps, install, main, uninstall

UNITS = Path(install_module.__file__).parent / "systemd"


class Commands:
    """Notes commands instead of running them; some fail."""

    def __init__(self, failing: tuple[str, ...] = ()) -> None:
        self.run: list[list[str]] = []
        self._failing = failing

    def __call__(self, command: list[str], check: bool) -> subprocess.CompletedProcess:
        self.run.append(command)
        return subprocess.CompletedProcess(command, int(command[0] in self._failing))


def options(*arguments: str):
    return install_module._parser().parse_args(["--device", "pi-01", *arguments])


def installed(root: Path, *arguments: str, commands: Commands | None = None) -> Steps:
    steps = Steps(root=root, run_command=commands or Commands())
    install(steps, options(*arguments))
    return steps


def test_programs_settings_and_units_land_where_the_units_look_for_them(tmp_path: Path):
    installed(tmp_path, "--region", "eu-central-1")
    assert (tmp_path / "opt/facelab/device/camera.py").exists()
    assert (tmp_path / "opt/facelab/contract/clips.py").exists()
    for service in SERVICES:
        assert (tmp_path / "etc/systemd/system" / service).exists()
    env = dict(
        line.split("=", 1)
        for line in (tmp_path / "etc/facelab/device.env").read_text().splitlines()
    )
    assert env["FACELAB_DEVICE_ID"] == "pi-01"
    assert env["FACELAB_BACKEND"] == "aws"
    assert env["AWS_REGION"] == "eu-central-1"
    assert "AWS_ENDPOINT_URL" not in env


def test_settings_are_not_for_everyone_to_read(tmp_path: Path):
    installed(tmp_path)
    mode = stat.S_IMODE((tmp_path / "etc/facelab/device.env").stat().st_mode)
    assert mode == 0o640


def test_a_second_run_updates_the_programs_and_keeps_the_settings(tmp_path: Path):
    installed(tmp_path)
    (tmp_path / "etc/facelab/device.env").write_text("FACELAB_DEVICE_ID=mine\n")
    (tmp_path / "opt/facelab/device/camera.py").write_text("old")
    installed(tmp_path)
    assert (tmp_path / "etc/facelab/device.env").read_text() == "FACELAB_DEVICE_ID=mine\n"
    assert (tmp_path / "opt/facelab/device/camera.py").read_text() != "old"
    installed(tmp_path, "--reset")
    assert "pi-01" in (tmp_path / "etc/facelab/device.env").read_text()


def test_wheels_only_and_only_those_with_a_known_hash(tmp_path: Path):
    commands = Commands()
    installed(tmp_path, commands=commands)
    (pip,) = [command for command in commands.run if "pip" in command]
    assert {"--require-hashes", "--only-binary", ":all:"} <= set(pip)
    (venv,) = [command for command in commands.run if "venv" in command]
    assert "--system-site-packages" in venv


def test_a_failing_step_is_named_and_ends_the_installation(tmp_path: Path):
    with pytest.raises(install_module.InstallError, match="apt-get update"):
        installed(tmp_path, commands=Commands(failing=("apt-get",)))


def test_a_user_that_is_there_already_is_no_failure(tmp_path: Path):
    installed(tmp_path, commands=Commands(failing=("useradd",)))


def test_a_dry_run_does_nothing(tmp_path: Path):
    commands = Commands()
    steps = Steps(root=tmp_path, dry_run=True, run_command=commands)
    install(steps, options())
    assert commands.run == []
    assert list(tmp_path.iterdir()) == []
    assert len(steps.told) > 10


def test_uninstalling_leaves_nothing(tmp_path: Path):
    installed(tmp_path)
    (tmp_path / "var/lib/facelab").mkdir(parents=True)
    uninstall(Steps(root=tmp_path, run_command=Commands()), keep_data=False)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    assert not (tmp_path / "var/lib/facelab").exists()


def test_uninstalling_can_keep_clips_and_settings(tmp_path: Path):
    installed(tmp_path)
    uninstall(Steps(root=tmp_path, run_command=Commands()), keep_data=True)
    assert (tmp_path / "etc/facelab/device.env").exists()


@pytest.mark.parametrize("device", [[], ["--device", "Pi 01"], ["--device", "../x"]], ids=repr)
def test_a_device_id_that_can_not_be_is_refused_first(device: list[str], capsys):
    assert main([*device, "--dry-run"]) == 1
    assert "device id" in capsys.readouterr().err


def test_every_variable_of_the_units_is_set_by_the_settings(tmp_path: Path):
    written = install_module.settings(options())
    for service in SERVICES:
        text = (UNITS / service).read_text()
        assert "EnvironmentFile=/etc/facelab/device.env" in text
    assert "FACELAB_SOURCE=" in written


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
@pytest.mark.parametrize("service", SERVICES)
def test_systemd_understands_the_units(service: str, tmp_path: Path):
    # What only exists after the installation is put in place of itself.
    text = (UNITS / service).read_text().replace("/opt/facelab/.venv/bin/python", "/bin/true")
    unit = tmp_path / service
    unit.write_text(text.replace("file:/opt", "https://opt"))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True
    )
    complaints = [line for line in done.stderr.splitlines() if service in line]
    assert complaints == []


@pytest.mark.parametrize(
    ("arguments", "settled", "ok"),
    [
        ([], {}, False),
        (["--region", "eu-central-1"], {}, True),
        (["--backend", "embedded", "--endpoint", "http://127.0.0.1:4566"], {}, True),
        ([], {"device.env": "AWS_REGION=eu-central-1\n"}, True),
        (["--reset"], {"device.env": "AWS_REGION=eu-central-1\n"}, False),
        (["--reset"], {"config": "[default]\nregion = eu-central-1\n"}, True),
        ([], {"device.env": "AWS_REGION=\n", "config": "[default]\n"}, False),
    ],
    ids=str,
)
def test_for_aws_the_installer_does_nothing_until_a_region_is_named(
    tmp_path: Path, arguments: list[str], settled: dict[str, str], ok: bool
):
    for name, text in settled.items():
        path = tmp_path / "etc/facelab" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    steps = Steps(root=tmp_path, dry_run=True)
    if ok:
        install_module.check(steps, options(*arguments))
        return
    with pytest.raises(InstallError, match="--region"):
        install_module.check(steps, options(*arguments))


@pytest.mark.parametrize("device", ["", "Pi 1", "../x"])
def test_a_device_id_that_could_not_name_a_queue_is_refused_before_the_first_step(
    tmp_path: Path, device: str
):
    wanted = install_module._parser().parse_args(["--device", device, "--region", "x"])
    with pytest.raises(InstallError, match="--device"):
        install_module.check(Steps(root=tmp_path, dry_run=True), wanted)
