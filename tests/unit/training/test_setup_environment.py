import sys

from training import lock, setup_environment

LOCK = """\
numpy==2.4.6 \\
    --hash=sha256:aa
nvidia-cublas==13.1 ; sys_platform == 'linux' \\
    --hash=sha256:bb
torch==2.13.0 \\
    --hash=sha256:cc \\
    --hash=sha256:dd
tqdm==4.70.1 \\
    --hash=sha256:ee
triton==3.7.1 ; sys_platform == 'linux' \\
    --hash=sha256:ff
"""


def test_torch_and_what_only_it_wants_stand_apart():
    ours, torch = lock.split(LOCK)
    assert [line for line in ours.splitlines() if line[0].isalpha()] == [
        "numpy==2.4.6 \\",
        "tqdm==4.70.1 \\",
    ]
    assert [line.split("==")[0] for line in torch.splitlines() if line[0].isalpha()] == [
        "nvidia-cublas",
        "torch",
        "triton",
    ]
    assert "sha256:dd" in torch


def test_the_committed_locks_fit_each_other():
    cpu = setup_environment.TORCH_CPU_LOCK.read_text()
    published = setup_environment.TORCH_LOCK.read_text()
    assert cpu == lock.cpu_lock()
    version = next(line for line in published.splitlines() if line.startswith("torch=="))
    assert cpu.splitlines()[1].startswith(version.split()[0] + "+cpu")
    every = (setup_environment.LOCK.read_text(), cpu, published)
    assert all("--hash=sha256:" in text and "://" not in text for text in every)


def test_an_environment_is_ready_only_when_it_was_made_from_these_locks(tmp_path, monkeypatch):
    assert not setup_environment.is_ready(tmp_path)
    stamp = tmp_path / setup_environment.STAMP
    stamp.write_text(setup_environment._fingerprint(tmp_path, sys.executable))
    assert setup_environment.is_ready(tmp_path)
    assert not setup_environment.is_ready(tmp_path, "/usr/bin/another-python")
    changed = tmp_path / "requirements.txt"
    changed.write_text("numpy==9\n")
    monkeypatch.setattr(setup_environment, "LOCK", changed)
    assert not setup_environment.is_ready(tmp_path)


def test_a_failing_step_leaves_no_stamp_and_a_hint(tmp_path, capsys):
    environment = tmp_path / "environment"
    arguments = ["--environment", str(environment), "--python", "/bin/false"]
    assert setup_environment.main(arguments) == 1
    assert "Run it again" in capsys.readouterr().err
    assert not (environment / setup_environment.STAMP).exists()
