"""Benches of the lab that is up, and of labs of their own."""

from __future__ import annotations

from cloud.switch import read_switch
from scripts.cli.bench_ending import Facts, add_count, bench_parser, measured

# Each loads what it measures with: some take a second to load.


def overhead(arguments: list[str] | None = None) -> int:
    from scripts.bench import overhead as bench

    parser = bench_parser("bench", bench.__doc__, "bench-overhead.json")
    add_count(parser, "--count", 50, "warm round trips to measure")
    options = parser.parse_args(arguments)
    return measured(
        options, lambda say: bench.measure(read_switch(), options.count, say), bench.in_words
    )


def queue(arguments: list[str] | None = None) -> int:
    from scripts.bench import queue_latency as bench

    parser = bench_parser("bench-queue", bench.__doc__, "bench-queue.json")
    add_count(parser, "--count", 50, "messages to measure")
    options = parser.parse_args(arguments)

    def in_words(facts: Facts) -> str:
        return _of_two("from a queue through its function", facts["send_to_received_ms"])

    return measured(options, lambda say: bench.measure(options.count, say), in_words)


def reload(arguments: list[str] | None = None) -> int:
    from scripts.bench import reload as bench

    parser = bench_parser("bench-reload", bench.__doc__, "bench-reload.json")
    add_count(parser, "--count", 10, "how often to save")
    options = parser.parse_args(arguments)

    def in_words(facts: Facts) -> str:
        return _of_two("from save to new answer", facts["save_to_answer_ms"])

    return measured(options, lambda say: bench.measure(options.count, say), in_words)


def _of_two(what: str, ms: dict[str, float]) -> str:
    return f"{what}: p50 {ms['p50']} ms, p95 {ms['p95']} ms"


def lab(arguments: list[str] | None = None) -> int:
    from scripts.bench import lab as bench

    parser = bench_parser("bench-lab", bench.__doc__, "lab.json")
    add_count(parser, "--times", 3, "rounds")
    options = parser.parse_args(arguments)
    return measured(options, lambda say: bench.measure(options.times, say), bench.in_words)


def state(arguments: list[str] | None = None) -> int:
    from scripts.bench import state_cost as bench

    parser = bench_parser("bench-state", bench.__doc__, "bench-state.json")
    add_count(parser, "--count", 100, "warm clips in each lab")
    options = parser.parse_args(arguments)
    return measured(options, lambda say: bench.measure(options.count, say), bench.in_words)


def dashboard(arguments: list[str] | None = None) -> int:
    from scripts.bench import dashboard as bench

    parser = bench_parser("bench-dashboard", bench.__doc__, "bench-dashboard.json")
    add_count(parser, "--clips", 10_000, "of history (%(default)s)")
    add_count(parser, "--loads", 20, "of each view (%(default)s)")
    add_count(parser, "--results", 40, "new ones (%(default)s)")
    parser.add_argument(
        "--idle", type=float, default=60.0, metavar="SECONDS", help="what is watched (%(default)g)"
    )
    options = parser.parse_args(arguments)
    if options.idle < 1:
        parser.error("at least one second idle")
    asked = (options.clips, options.loads, options.results, options.idle)
    return measured(options, lambda say: bench.measure(*asked, say), bench.in_words)


def endpoint(arguments: list[str] | None = None) -> int:
    from scripts.bench import endpoint as bench

    parser = bench_parser("bench-endpoint", bench.__doc__, "bench-endpoint.json")
    parser.add_argument("endpoint", metavar="URL", help="where the other emulator listens")
    add_count(parser, "--clips", 50, "how many are timed")
    options = parser.parse_args(arguments)
    return measured(
        options, lambda say: bench.measure(options.endpoint, options.clips, say), bench.in_words
    )
