"""One history: some devices, some clips, a swarm of faults, then peace; and what must hold."""

from __future__ import annotations

import errno
import gc
import itertools
import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote_plus

from greenlet import getcurrent

from contract.clips import ClipKey
from tests.simulation.cloud import PREFIX, Cloud, Habits, Invocation
from tests.simulation.disk import WRITES, Disk
from tests.simulation.files import CWD
from tests.simulation.realm import Realm
from tests.simulation.recognizer import person_in
from tests.simulation.scheduler import SECOND, Killed, Process, Stuck, Task, World

PEOPLE = {"ada-lovelace": "Ada Lovelace", "alan-turing": "Alan Turing"}
SPOOL = f"{CWD}/spool"
BUDGET = 40_000
RESTART_S = 2.0
RECONCILED_S = 300.0
PEACE_S = 3600.0
# Functions are killed for so long after the war: until all attempts of its last clips are over.
KILLED_S = 240.0
# Longer than a message stays hidden: what was to come twice has come by then.
SETTLE_S = 65.0
SWARM = (
    "network", "busy", "garbage", "no confirmation", "emulator killed", "kill -9", "power cut",
    "disk full", "disk error", "disk read-only", "clock jump", "function killed", "slow function",
    "event repeated", "event late", "event lost", "message repeated", "throttled", "slow network",
    "forgotten", "stop and start", "small budget", "killed after send",
)  # fmt: skip


# A plan with it crashes nowhere, and says where it could.
NO_CRASH = ("none", 0)
CANT_KEEP = frozenset({"disk full", "disk error", "disk read-only", "small budget"})


@dataclass(frozen=True)
class Plan:
    """What happens in a history. `crash` is (point, nth time) at which `how` happens."""

    seed: int
    faults: frozenset[str]
    devices: int = 1
    clips: int = 4
    crash: tuple[str, int] | None = None
    how: str = "kill -9"
    lose_cloud: bool = False
    # How often the camera looks for answers. Twice a second, as it does, a history is mostly looks.
    look_s: float = 0.5

    @classmethod
    def of(cls, seed: int) -> Plan:
        """A swarm: each history has some kinds of faults and lacks the others."""
        import random

        chance = random.Random(seed)  # noqa: S311
        share = chance.choice((0.05, 0.15, 0.3))
        *others, last = SWARM
        faults = frozenset(kind for kind in others if chance.random() < share)
        devices, clips = 2 if chance.random() < 0.2 else 1, chance.randint(1, 4)
        look_s = chance.choice((0.5, 5, 10, 20))
        if chance.random() < share:  # at the end, so that the seeds that once failed stay theirs
            faults |= {last}
        return cls(seed, faults, devices, clips, look_s=look_s)


@dataclass
class Host:
    """A Pi: a disk, a clock that may jump, and the clips still to be filmed."""

    name: str
    world: World
    disk: Disk
    wall_offset_ns: int = 0
    boots: int = 0
    reel: list[tuple[str, float, int]] = field(default_factory=list)

    def boot(self) -> None:
        self.boots += 1
        for folder in ("/proc", "/proc/sys", "/proc/sys/kernel", "/proc/sys/kernel/random"):
            self.disk.folders.add(folder)
        self.disk.folders.update({"/home", CWD})
        inode = self.disk.create("/proc/sys/kernel/random/boot_id")
        inode.data[:] = f"{self.name}-boot-{self.boots}\n".encode()

    def film(self) -> Iterator[tuple[str, float, int]]:
        while self.reel:
            yield self.reel.pop(0)


@dataclass
class Outcome:
    """What became of one history."""

    plan: Plan
    violations: list[str]
    faults: Counter[str]
    clips: int
    simulated_s: float
    steps: int
    trace: list[str] | None
    points: list[tuple[str, int]]
    letters: int  # that were written


class Device:
    """The two programs of one device under a service manager, and what they said."""

    def __init__(self, history: History, name: str) -> None:
        self.history = history
        self.name = name
        world = history.world
        self.host = Host(name, world, Disk(world.chance))
        self.host.disk.trouble = history.disk_trouble
        self.host.boot()
        self.programs: dict[str, Process] = {}
        self.clips: dict[str, str] = {}  # clip id -> who is in it
        self.must: set[str] = set()
        self.uploaded: set[str] = set()
        self.recorded_by: dict[str, Process] = {}
        self.gone: dict[str, str] = {}  # clip id -> how the device gave it up, visibly
        self.shown: list[str] = []
        self.may_repeat: set[str] = set()
        self.last_shown: dict[Process, str] = {}
        self.unwritten: dict[Process, set[str]] = {}  # shown while the disk took no note of it

    def start(self, kind: str) -> None:
        history = self.history
        if not history.alive:
            return
        process = Process(
            history.world,
            f"{self.name}:{kind}",
            self.host,
            {"FACELAB_DEVICE_ID": self.name, "FACELAB_SPOOL": SPOOL, "FACELAB_TRACES": "off"},
        )
        process.on_line = self._said
        process.on_end = lambda ended: self._ended(kind, ended)
        main = history.realm.modules[f"device.{kind}"].main
        arguments = history.arguments[kind]
        process.run(lambda: main(list(arguments)))
        self.programs[kind] = process

    def _ended(self, kind: str, process: Process) -> None:
        clip = self.last_shown.get(process)
        if process.status not in (0, None) and clip is not None:
            self.may_repeat.add(clip)
        # Nothing but the program itself knew: a message that SQS repeats is shown again.
        self.may_repeat |= self.unwritten.pop(process, set())
        self.history.world.note(f"{process.name} ended with {process.status}")
        self._start_later(kind)

    def _start_later(self, kind: str) -> None:
        def start() -> None:
            running = self.programs[kind]
            if running.dead and (kind == "messages" or not self.is_idle()):
                self.start(kind)

        self.history.world.after(RESTART_S, start)

    def cut_power(self) -> None:
        self.history.world.note(f"power cut on {self.name}")
        had_ended = [kind for kind, process in self.programs.items() if process.dead]
        for process in self.programs.values():
            process.kill()
        self.host.disk.cut_power()
        self.host.boot()
        for kind in had_ended:  # the service manager starts them all at boot
            self._start_later(kind)

    def is_idle(self) -> bool:
        """Nothing to film, nothing in the spool but what a person has to look at.

        A clip that ended in a letter is such: no answer to it will come.
        """
        if self.host.reel:
            return False
        return not any(
            path.endswith(".h264")
            and "/refused/" not in path
            and "/damaged/" not in path
            and path.rpartition("/")[2].removesuffix(".h264") not in self.history.letters
            for path in self.host.disk.files
        )

    def _said(self, process: Process, stream: str, line: str) -> None:
        history = self.history
        history.world.note(f"{stream}: {line}")
        if stream != "out":
            return
        history.world.crash_point(f"before print {process.name.partition(':')[2]}", process)
        event = json.loads(line)
        handler = getattr(self, f"_on_{event['event']}", None)
        if handler is not None:
            handler(process, event)
        history.world.crash_point(f"after print {process.name.partition(':')[2]}", process)

    def _on_clip(self, process: Process, event: dict) -> None:
        self.recorded_by[event["clip_id"]] = process

    def _on_stored(self, process: Process, event: dict) -> None:
        self.must.add(event["clip_id"])

    def _on_uploaded(self, process: Process, event: dict) -> None:
        self.must.add(event["clip_id"])
        self.uploaded.add(event["clip_id"])

    def _on_dropped(self, process: Process, event: dict) -> None:
        self.gone[event["clip_id"]] = f"dropped: {event.get('reason')}"
        if not self.history.plan.faults & CANT_KEEP:
            self.history.world.violation(f"dropped without need: {event}")

    def _on_refused(self, process: Process, event: dict) -> None:
        self.gone[event["clip_id"]] = f"refused: {event.get('reason')}"
        if not self.history.plan.faults & {"disk error", "power cut"}:
            self.history.world.violation(f"refused though S3 refused nothing: {event}")

    def _on_fault(self, process: Process, event: dict) -> None:
        self.history.world.violation(f"a thread of {process.name} failed: {event}")

    def _on_disk(self, process: Process, event: dict) -> None:
        if (event.get("problem") or "").startswith("shown, but not remembered"):
            self.unwritten.setdefault(process, {self.last_shown[process]})
        elif event.get("path", "").endswith("/answered"):
            self.unwritten.pop(process, None)

    def _on_malformed(self, process: Process, event: dict) -> None:
        self.history.world.violation(f"{self.name} could not read a result: {event}")

    def _on_result(self, process: Process, event: dict) -> None:
        world, clip_id = self.history.world, event["clip_id"]
        if event["device_id"] != self.name or f"clips/{self.name}/" not in event["key"]:
            world.violation(f"{self.name} was shown {event['key']}")
        if clip_id in self.shown and clip_id not in self.may_repeat:
            world.violation(f"{self.name} showed {clip_id} twice")
        self.may_repeat.discard(clip_id)
        self.shown.append(clip_id)
        self.last_shown[process] = clip_id
        if process in self.unwritten:
            self.unwritten[process].add(clip_id)
        self.history.check_names(self, event)


class History:
    """Sets a plan up, runs it to rest, checks."""

    def __init__(self, realm: Realm, plan: Plan, trace: bool = False) -> None:
        self.realm = realm
        self.plan = plan
        self.alive = True
        self.world = world = World(plan.seed, preempt=0.0 if plan.crash else 0.04)
        world.trace = [] if trace else None
        world.crash_point = self.crash_point
        world.cloud_host = Host("cloud", world, Disk(world.chance))
        world.cloud = self.cloud = Cloud(world, realm, self._habits(), PEOPLE)
        self.cloud.fault = self.fault
        self.cloud.may_kill = lambda: world.now_ns < self.peace_ns + int(KILLED_S * SECOND)
        self.cloud.on_failed = self._on_failed
        self.cloud.on_letter = self._on_letter
        self.cloud.on_letter_gone = self._on_letter_gone
        self.cloud.on_send = self._on_send
        self.letters: set[str] = set()  # clips that have one, or had one that the emulator forgot
        self.sent: dict[int, set[str]] = {}  # clips whose result was sent, by the cloud's age
        self.written = 0
        self.points: list[tuple[str, int]] = []
        self.seen_points: Counter[str] = Counter()
        self.peace_ns = 0
        self.resting = False
        self.forgotten_ns: dict[str, int] = {}
        realm.modules["device.answer_watch"].SWEEP_S = plan.look_s
        realm.modules["device.camera"].LOOK_S = max(1.0, plan.look_s)
        realm.modules["device.messages"].WAIT_S = realm.modules["device.inbox"].WAIT_S = max(
            5, plan.look_s
        )
        self.arguments = {"camera": self._camera(), "messages": ["--json"]}
        self.devices = [Device(self, f"pi-{n}") for n in range(1, plan.devices + 1)]
        for device in self.devices:
            self.cloud.add_device(device.name)
            device.host.reel = self._reel()

    # --- set up ----------------------------------------------------------------------------

    def _camera(self) -> list[str]:
        budget = 6_000 if "small budget" in self.plan.faults else BUDGET
        chosen = ["--json", "--spool-budget", str(budget), "--source", "simulated",
                  "--drain-timeout", "900", "--workers", "2", "--answer-timeout", "90"]  # fmt: skip
        return [*chosen, "--keep-until-answered"]

    def _habits(self) -> Habits:
        faults, chance = self.plan.faults, self.world.chance

        def sometimes(kind: str, share: float) -> float:
            return share if kind in faults else 0.0

        return Habits(
            repeated_event=sometimes("event repeated", 0.4),
            late_event=sometimes("event late", 0.3),
            lost_event=sometimes("event lost", 0.3),
            repeated_message=sometimes("message repeated", 0.3),
            slow_call=sometimes("slow network", 0.1),
            slow_recognition=sometimes("slow function", 0.3),
            # Often enough that some clips end in a letter.
            killed_function=sometimes("function killed", chance.choice((0.3, 0.8, 1.0))),
            killed_reconciler=sometimes("function killed", chance.choice((0.0, 0.3))),
            killed_after_send=1.0 if "killed after send" in faults else 0.0,
            retry_base_s=chance.choice((2.0, 60.0)),
            concurrency=1 if "throttled" in faults else 10,
        )

    def _reel(self) -> list[tuple[str, float, int]]:
        chance = self.world.chance
        who = (*PEOPLE, "a-stranger")
        return [
            (chance.choice(who), chance.uniform(0.3, 1.0), chance.randrange(500, 3000))
            for _ in range(self.plan.clips)
        ]

    # --- faults ----------------------------------------------------------------------------

    @property
    def at_war(self) -> bool:
        return self.world.now_ns < self.peace_ns

    def fault(self, where: str) -> str | None:
        faults = self.plan.faults
        if not self.at_war or not faults:
            return None
        pick = self.world.chance.random()
        found = None
        if "network" in faults and self.network_bad:
            kinds = ("refused", "lost", "answer lost", "cut", "truncated")
            found = kinds[int(pick * 12)] if pick < 5 / 12 else None
        elif "busy" in faults and pick < 0.2:
            found = "busy"
        elif "garbage" in faults and self.network_bad and pick < 0.3:
            found = "garbage"
        elif "no confirmation" in faults and where == "s3.put_object" and pick < 0.3:
            found = "no confirmation"
        if found:
            self.cloud.count(found)
            environment = getattr(getcurrent().process, "environment_of", None)
            if environment is not None and environment.invocation is not None:
                environment.invocation.was_hit = True
        return found

    network_bad = False
    bad_disk = 0
    bad_share = 0.0

    def disk_trouble(self, call: str, path: str) -> int:
        self.crash_point(f"before {call}")
        if not self.bad_disk or not path.startswith(SPOOL):
            return 0
        if call not in WRITES and self.bad_disk != errno.EIO:
            return 0
        if self.bad_disk == errno.ENOSPC and call not in ("write", "create", "mkdir"):
            return 0
        if self.world.chance.random() >= self.bad_share:
            return 0
        self.cloud.count(errno.errorcode[self.bad_disk])
        return self.bad_disk

    def crash_point(self, name: str, process: Process | None = None) -> None:
        """A point where a crash may be planned. Names the program, not the device."""
        if self.plan.crash is None:
            return
        task = getcurrent()
        process = process or (task.process if isinstance(task, Task) else None)
        if process is None or self.resting or not self.alive or process.dead:
            return
        who = process.name.partition(":")[2] or process.name.partition("-")[0]
        name = f"{who}: {name}"
        self.seen_points[name] += 1
        point = (name, self.seen_points[name])
        if self.plan.crash == NO_CRASH:
            self.points.append(point)
        elif point == self.plan.crash:
            self.cloud.count(self.plan.how)
            self.world.note(f"crash at {point}")
            self._crash(process)
            if isinstance(task, Task) and task.process.dead:
                raise Killed  # what it was about to do does not happen

    def _crash(self, process: Process) -> None:
        environment = getattr(process, "environment_of", None)
        if environment is not None and environment.invocation is not None:
            environment.invocation.was_hit = True
        if self.plan.lose_cloud:
            self.cloud.count("emulator killed")
            self._emulator_killed()
        device = next((one for one in self.devices if one.host is process.host), None)
        if self.plan.how == "power cut" and device is not None:
            device.cut_power()
        else:
            process.kill()

    def _emulator_killed(self) -> None:
        self.cloud.is_up = False
        self.cloud.lose_everything()

        def back() -> None:
            self.cloud.is_up = True

        self.world.after(self.world.chance.uniform(2, 20), back)

    def _declare_war(self) -> None:
        """Place this history's faults in time."""
        faults, chance, world = self.plan.faults, self.world.chance, self.world
        length = sum(seconds for _, seconds, _ in self.devices[0].host.reel) + chance.uniform(3, 25)
        self.peace_ns = int(length * SECOND)

        def some(kind: str, most: int, what: Callable[[], None]) -> None:
            for _ in range(chance.randint(1, most) if kind in faults else 0):
                world.after(chance.uniform(0, length), lambda: self._strike(kind, what))

        def any_device() -> Device:
            return chance.choice(self.devices)

        def kill() -> None:
            device = any_device()
            device.programs[chance.choice(("camera", "messages"))].kill()

        def signal() -> None:
            process = any_device().programs[chance.choice(("camera", "messages"))]
            handler = process.handlers.get(15)
            if callable(handler) and not process.dead:
                process.spawn(lambda: handler(15), "signal")

        def bad_network() -> None:
            self.network_bad = True
            world.after(chance.uniform(0.5, 8), lambda: setattr(self, "network_bad", False))

        def bad_disk(number: int) -> Callable[[], None]:
            def begin() -> None:
                self.bad_disk, self.bad_share = number, chance.choice((0.2, 1.0))
                world.after(chance.uniform(0.5, 8), lambda: setattr(self, "bad_disk", 0))

            return begin

        def jump() -> None:
            any_device().host.wall_offset_ns += int(chance.uniform(-86400, 86400) * SECOND)

        def forget() -> None:
            person = chance.choice(list(PEOPLE))
            self.cloud.forgotten.add(person)
            self.cloud.tables[f"{PREFIX}-people"].pop(person, None)
            self.cloud.put_gallery([one for one in PEOPLE if one not in self.cloud.forgotten])
            self.forgotten_ns.setdefault(person, world.now_ns)

        some("network", 3, bad_network)
        some("garbage", 3, bad_network)
        some("kill -9", 4, kill)
        some("stop and start", 2, signal)
        some("power cut", 2, lambda: any_device().cut_power())
        some("emulator killed", 2, self._emulator_killed)
        some("clock jump", 2, jump)
        some("disk full", 2, bad_disk(errno.ENOSPC))
        some("disk error", 2, bad_disk(errno.EIO))
        some("disk read-only", 1, bad_disk(errno.EROFS))
        some("forgotten", 1, forget)

    def _strike(self, kind: str, what: Callable[[], None]) -> None:
        if self.alive:
            self.cloud.count(kind)
            self.world.note(f"fault: {kind}")
            what()

    # --- invariants ------------------------------------------------------------------------

    def _on_failed(self, failed: dict, invocation: Invocation) -> None:
        condition = failed["requestContext"]["condition"]
        if invocation.unexcused or not invocation.attempts:
            self.world.violation(f"an event failed though nothing hit the function: {condition}")

    def _on_letter(self, body: str) -> None:
        """Never a letter beside a result: at each moment that either is written."""
        clips = _clips_of(json.loads(body))
        self.letters |= clips
        self.written += 1
        self.world.note(f"letter for {clips}")
        for clip_id in clips & self.sent.get(self.cloud.age, set()):
            self.world.violation(f"a letter is written beside the result of {clip_id}")

    def _on_letter_gone(self, body: str) -> None:
        gone = _clips_of(json.loads(body))
        self.world.note(f"letter taken back for {gone}")
        self.letters -= gone - self._lettered()

    def _lettered(self) -> set[str]:
        """Clips whose letter stands, in whosever hands; but what SQS delivers twice."""
        standing = (json.loads(one.body) for one in self.cloud.letters() if not one.is_copy)
        return set().union(*map(_clips_of, standing))

    def _on_send(self, body: str, environment: Any) -> None:
        result = json.loads(body)
        self.sent.setdefault(self.cloud.age, set()).add(result["clip_id"])
        if result["clip_id"] in self._lettered():
            self.world.violation(f"a result is sent beside the letter of {result['clip_id']}")
        named = {face["person_id"] for face in result["faces"] if face["person_id"]}
        for person in named & self.forgotten_ns.keys():
            # The people table is asked within one invocation: that one may have been first.
            age_s = (self.world.now_ns - self.forgotten_ns[person]) / SECOND
            if age_s > self.cloud.habits.timeout_s:
                self.world.violation(f"a result names {person}, forgotten {age_s:.1f} s before")

    def check_names(self, device: Device, event: dict) -> None:
        """Nobody is named because of a fault: the clip's own bytes say who is in it."""
        held = self.cloud.objects.get(event["key"])
        named = {face["person_id"] for face in event["faces"]} - {None}
        if held is not None and named - {person_in(held.data)}:
            self.world.violation(f"{event['key']} named {named}, it shows {person_in(held.data)}")
        if event["status"] == "rejected":
            self.world.violation(f"a good clip was rejected: {event['reason']}")

    def at_rest(self) -> bool:
        if self.world.violations:
            return True  # what is wrong already is found; nothing has to come right
        if self.world.now_ns < self.peace_ns or not self.cloud.is_quiet:
            return False
        if any(not device.is_idle() for device in self.devices):
            return False
        if any(q for name, q in self.cloud.queues.items() if "results" in name):
            return False
        # The reconciler has still to find what nobody else will bring to an outcome, and to send
        # each letter's clip once more.
        rows = self.cloud.tables.get(f"{PREFIX}-clips", {}).values()
        if any(_has_second_chance(row) for row in rows):
            return False
        return not (any(self._without_outcome()) or any(self._beside_results()))

    def _watch(self) -> None:
        """What must hold at every moment, looked at each second, and in peace each minute."""
        self._check_spool()
        if self.alive:
            self.world.after(1.0 if self.at_war else 60.0, self._watch)

    def _check_spool(self) -> None:
        for device in self.devices:
            held = sum(
                len(inode.data)
                for path, inode in device.host.disk.files.items()
                if path.endswith((".h264", ".part")) and "/refused/" not in path
            )
            budget = 6_000 if "small budget" in self.plan.faults else BUDGET
            if held > budget + 6_000:
                self.world.violation(f"the spool of {device.name} holds {held} bytes")

    def _without_outcome(self) -> Iterator[tuple[Device, str]]:
        # Neither the disk could keep it nor does the cloud remember it: nobody has it any more.
        nowhere = self.cloud.age > 1 and bool(self.plan.faults & CANT_KEEP)
        for device in self.devices:
            ended = {one for one, process in device.recorded_by.items() if process.status in (0, 1)}
            for clip_id in sorted((device.must | ended) - set(device.shown) - device.gone.keys()):
                if clip_id not in self.letters and not (nowhere and clip_id in device.uploaded):
                    yield device, clip_id

    def _check_outcomes(self) -> None:
        for device, clip_id in self._without_outcome():
            self.world.violation(f"{clip_id} of {device.name} has no outcome")
        for clip_id in self._beside_results():
            self.world.violation(f"{clip_id} has a result and a letter")

    def _beside_results(self) -> Iterator[str]:
        """Clips that were shown and have a letter: SQS delivered one again, or the emulator that
        was killed forgot the result. The reconciler takes such letters back."""
        for letter in self.cloud.letters():
            for clip_id in sorted(_clips_of(json.loads(letter.body))):
                if any(clip_id in device.shown for device in self.devices):
                    yield clip_id

    def _reconcile(self) -> None:
        if self.alive:
            self.cloud.run_reconciler({"after_minutes": RECONCILED_S / 60})
            self.world.after(RECONCILED_S, self._reconcile)

    # --- run -------------------------------------------------------------------------------

    def run(self) -> Outcome:
        world = self.world
        self._declare_war()
        for device in self.devices:
            device.start("messages")
            device.start("camera")
        self._watch()
        world.after(RECONCILED_S, self._reconcile)
        try:
            world.run(self.at_rest, PEACE_S)
            self.resting = True
            world.run(lambda: False, SETTLE_S)
            # What came meanwhile (a letter that SQS delivered once more, say) is the reconciler's
            # to take back, by its next turn.
            world.run(self.at_rest, PEACE_S)
        except Stuck as stuck:
            world.violation(str(stuck))
        self._check_outcomes()
        self.alive = False
        for process in self._processes():
            process.kill()
        world.close()
        recorded = sum(len(device.recorded_by) for device in self.devices)
        return Outcome(
            self.plan, world.violations, self.cloud.faults, recorded,
            world.now_ns / SECOND, world.steps, world.trace, self.points, self.written,
        )  # fmt: skip

    def _processes(self) -> Iterator[Process]:
        for device in self.devices:
            yield from device.programs.values()
        for environment in itertools.chain(self.cloud.idle, list(self.cloud.running)):
            yield environment.process


def _has_second_chance(row: dict) -> bool:
    return row.get("status") == {"S": "letter"} and "sent_again" not in row


def _clips_of(letter: dict) -> set[str]:
    records = letter["requestPayload"]["Records"]
    keys = (unquote_plus(one["s3"]["object"]["key"]) for one in records)
    return {ClipKey.parse(key).clip_id for key in keys}


def run(realm: Realm, plan: Plan, trace: bool = False) -> Outcome:
    """One history from its plan; the same plan gives the same outcome."""
    # A history is made of cycles: collected once when it has ended, not all the while.
    gc.disable()
    try:
        return History(realm, plan, trace).run()
    finally:
        gc.enable()
        gc.collect()
