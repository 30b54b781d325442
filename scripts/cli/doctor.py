"""`facelab doctor`: ends with 1 where something is bad."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from cloud.switch import read_switch
from scripts import doctor
from scripts.cli.parsing import task_parser
from scripts.console import Progress, print_json, print_lines
from scripts.finding import Finding, FindingLevel


def main(arguments: list[str] | None = None) -> int:
    options = task_parser("doctor", doctor.__doc__).parse_args(arguments)
    with Progress(quiet=options.json).usual("looking at this machine", "doctor"):
        findings = doctor.examine(read_switch())
    if options.json:
        print_json([asdict(finding) for finding in findings])
    else:
        print_lines(in_words(findings))
    return int(any(finding.level is FindingLevel.BAD for finding in findings))


def in_words(findings: Sequence[Finding]) -> str:
    lines = []
    for finding in findings:
        lines.append(f"{finding.level:>5}  {finding.what:<13} {finding.fact}")
        if finding.hint:
            lines.append(f"{'':>21}hint: {finding.hint}")
    return "\n".join(lines)
