"""What every attack shares: one case of the command line under a watch, and what must hold of it."""

from __future__ import annotations

import contextlib
import io
import json
import os
import resource
import signal
import subprocess
import sys
import traceback
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import TypeVar

import msgspec

SCALE = float(os.environ.get("ATTACK_SCALE", "0.1"))
"""The share of the cases that is tried: 1 under `make attack`, a tenth under `make test`."""
SEED = int(os.environ.get("ATTACK_SEED", "20140917"))
"""Of all that is drawn; another one tries other cases."""
SECONDS = 20
"""That one case may take, on a machine that others use too."""
MEMORY = 4 * 2**30
"""Bytes of address space that a worker may ask for; torch's libraries alone reserve more than one."""
ROOT = Path(__file__).parents[2]

TRIED: Counter[str] = Counter()
"""Cases by what was attacked."""

Thing = TypeVar("Thing")


class Hang(BaseException):
    """A case that took too long; no `except Exception` hides it."""


class Verdict(msgspec.Struct):
    """What became of one case."""

    code: int
    out: str
    err: str
    died: str = ""
    """A traceback, or how the process ended; empty where it ended as it should."""


def cases(full: int) -> int:
    """How many of `full` random cases are tried at this scale."""
    return max(1, round(full * SCALE))


def some(things: Sequence[Thing], least: int = 1) -> list[Thing]:
    """As many of the things as this scale asks for, spread evenly, and at least `least`."""
    count = min(len(things), max(least, round(len(things) * SCALE)))
    return [things[i * len(things) // count] for i in range(count)]


@contextlib.contextmanager
def watched(seconds: float = SECONDS) -> Iterator[None]:
    """Raise `Hang` in what takes longer."""

    def ring(number: int, frame: FrameType | None) -> None:
        raise Hang(f"more than {seconds} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def attempt(arguments: Sequence[str], seconds: float = SECONDS) -> Verdict:
    """Run the command in this process."""
    from inception_lens.cli import run

    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors="backslashreplace") for _ in range(2))
    code, died = -1, ""
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            with watched(seconds):
                code = run(list(arguments))
        except BaseException:
            died = traceback.format_exc()
    texts = []
    for each in (out, err):
        each.flush()
        buffer = each.buffer
        assert isinstance(buffer, io.BytesIO)
        texts.append(buffer.getvalue().decode(errors="replace"))
    return Verdict(code, texts[0], texts[1], died)


def process(
    *arguments: str, seconds: float = 120, folder: Path | None = None, prelude: str = "", **streams: int
) -> Verdict:
    """Run the command in a process of its own; `prelude` is Python that is run before it."""
    code = f"{prelude}\nfrom inception_lens.cli import main\nmain()"
    called = [sys.executable, "-c", code, *arguments]
    given = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **streams}
    started = subprocess.Popen(called, cwd=folder, env=environment(), start_new_session=True, **given)  # type: ignore[call-overload]
    try:
        out, err = started.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        started.kill()
        out, err = started.communicate()
        return Verdict(-1, "", (err or b"").decode(errors="replace"), f"more than {seconds} s")
    died = f"signal {-started.returncode}" if started.returncode < 0 else ""
    return Verdict(
        started.returncode, (out or b"").decode(errors="replace"), (err or b"").decode(errors="replace"), died
    )


def environment() -> dict[str, str]:
    """Of a process of ours: this package, and nothing that changes what it prints."""
    left_out = ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "PYTHONWARNINGS")
    kept = {key: value for key, value in os.environ.items() if key not in left_out}
    return kept | {"PYTHONPATH": str(ROOT), "PYTHONFAULTHANDLER": "1"}


def attempts(calls: Sequence[Sequence[str]]) -> list[Verdict]:
    """Run commands one behind the other in a worker; what ends the worker is the verdict on that one command."""
    verdicts: list[Verdict] = []
    while len(verdicts) < len(calls):
        left = [list(call) for call in calls[len(verdicts) :]]
        given = "\n".join(json.dumps(call) for call in left).encode()
        worker = [sys.executable, "-m", "tests.attack.arena"]
        done = subprocess.run(worker, input=given, capture_output=True, cwd=ROOT, env=environment(), check=False)
        told = [line for line in done.stdout.splitlines() if line.startswith(b"{")]
        verdicts += [msgspec.json.decode(line, type=Verdict) for line in told]
        if len(told) < len(left):
            end = done.stderr.decode(errors="replace")
            verdicts.append(Verdict(done.returncode, "", end, f"the process ended with {done.returncode}: {end}"))
    return verdicts


def complaint(verdict: Verdict) -> str:
    """What does not hold of a case that may succeed or be refused: no traceback, and one line that says why."""
    if verdict.died or "Traceback" in verdict.err:
        return verdict.died or verdict.err
    if verdict.code not in (0, 1, 2):
        return f"exit code {verdict.code}: {verdict.err}"
    if verdict.code == 2:
        lines = [line for line in verdict.err.splitlines() if not line.startswith("runs the code of ")]
        if len(lines) != 1 or not lines[0].startswith("error: ") or len(lines[0]) < len("error: ") + 8:
            return f"not one line: {verdict.err!r}"
        if len(lines[0]) > 2_000:
            return f"a line of {len(lines[0]):,} characters: {lines[0][:300]!r}"
        if verdict.out:
            return f"refused, and yet it printed {verdict.out[:200]!r}"
    elif "error: " in verdict.err:
        return f"exit code {verdict.code} with an error: {verdict.err}"
    return ""


def holds(what: str, verdict: Verdict, case: object = "") -> Verdict:
    """Count a case, and check that it was answered or refused as it should be."""
    TRIED[what] += 1
    assert not (wrong := complaint(verdict)), f"{case!r:.1000}\n{wrong}"
    return verdict


def refused(what: str, verdict: Verdict, case: object = "") -> str:
    """As `holds`, of a case that must be refused; returns the line."""
    holds(what, verdict, case)
    assert verdict.code == 2, f"{case!r:.1000}: exit code {verdict.code}"
    return verdict.err


def _work() -> None:
    """Be a worker: a command on each line of standard input, a verdict on each line of standard output."""
    import faulthandler

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    for line in sys.stdin:
        faulthandler.dump_traceback_later(2 * SECONDS, exit=True)  # what holds the interpreter does not hear an alarm
        verdict = attempt(json.loads(line))
        faulthandler.cancel_dump_traceback_later()
        verdict.out, verdict.err, verdict.died = verdict.out[:5_000], verdict.err[:5_000], verdict.died[-5_000:]
        out.write(msgspec.json.encode(verdict) + b"\n")
        out.flush()


if __name__ == "__main__":
    _work()
