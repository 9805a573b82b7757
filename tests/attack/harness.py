"""Shared by all attack tests: running the command under a time limit, and checking how it ended."""

from __future__ import annotations

import contextlib
import io
import json
import os
import resource
import signal
import subprocess
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import TypeVar

import msgspec

SCALE = float(os.environ.get("ATTACK_SCALE", "0.1"))
"""The share of the cases to run: 1 under `make attack`, a tenth under `make test`."""
SEED = int(os.environ.get("ATTACK_SEED", "20140917"))
"""The seed of every random case."""
CPU_SECONDS = 20
"""CPU time that one case may take. CPU time, unlike wall time, does not depend on what else the machine runs."""
WALL_SECONDS = 600
"""Wall time after which a case hangs without computing, even on a busy machine."""
MEMORY = 4 * 2**30
"""Bytes of address space of a worker process; torch's libraries alone reserve more than 1 GiB."""
ROOT = Path(__file__).parents[2]

COUNTS: Counter[str] = Counter()
"""Cases that ran, by what they attack."""

T = TypeVar("T")


class TimeLimitExceeded(BaseException):
    """A case took too long. A BaseException, so that no `except Exception` hides it."""


class Outcome(msgspec.Struct):
    """How one case ended."""

    code: int
    """Exit code."""
    out: str
    err: str
    crash: str = ""
    """A traceback or the signal that ended the process; empty after a normal end."""


def scaled(full: int) -> int:
    """How many of `full` random cases run at this scale."""
    return max(1, round(full * SCALE))


def sample(items: Sequence[T], minimum: int = 1) -> list[T]:
    """The share of the items that this scale selects, evenly spaced, and at least `minimum` of them."""
    count = min(len(items), max(minimum, round(len(items) * SCALE)))
    return [items[i * len(items) // count] for i in range(count)]


@contextlib.contextmanager
def time_limit(cpu_seconds: float = CPU_SECONDS) -> Iterator[None]:
    """Raise `TimeLimitExceeded` in a block that takes more CPU time than this, or more wall time than `WALL_SECONDS`."""
    timers = (
        (signal.SIGPROF, signal.ITIMER_PROF, cpu_seconds, "CPU"),
        (signal.SIGALRM, signal.ITIMER_REAL, WALL_SECONDS, "wall"),
    )
    limits = {number: f"more than {seconds} s of {kind} time" for number, _, seconds, kind in timers}

    def expire(number: int, frame: FrameType | None) -> None:
        raise TimeLimitExceeded(limits[signal.Signals(number)])

    previous = [signal.signal(number, expire) for number, *_ in timers]
    for _, timer, seconds, _ in timers:
        signal.setitimer(timer, seconds)
    try:
        yield
    finally:
        for (number, timer, *_), handler in zip(timers, previous, strict=True):
            signal.setitimer(timer, 0)
            signal.signal(number, handler)


def run_command(arguments: Sequence[str]) -> Outcome:
    """Run the command in this process."""
    from inception_lens.cli import run

    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors="backslashreplace") for _ in range(2))
    code, crash = -1, ""
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            with time_limit():
                code = run(list(arguments))
        except BaseException:
            crash = traceback.format_exc()
    texts = []
    for stream in (out, err):
        stream.flush()
        buffer = stream.buffer
        assert isinstance(buffer, io.BytesIO)
        texts.append(buffer.getvalue().decode(errors="replace"))
    return Outcome(code, texts[0], texts[1], crash)


def run_process(*arguments: str, folder: Path | None = None, prelude: str = "", **streams: int) -> Outcome:
    """Run the command in a process of its own; `prelude` is Python code that runs before it."""
    code = f"{prelude}\nfrom inception_lens.cli import main\nmain()"
    called = [sys.executable, "-c", code, *arguments]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **streams}
    started = subprocess.Popen(called, cwd=folder, env=environment(), start_new_session=True, **pipes)  # type: ignore[call-overload]
    try:
        out, err = started.communicate(timeout=WALL_SECONDS)
    except subprocess.TimeoutExpired:
        started.kill()
        out, err = started.communicate()
        return Outcome(-1, "", (err or b"").decode(errors="replace"), f"more than {WALL_SECONDS} s")
    crash = f"signal {-started.returncode}" if started.returncode < 0 else ""
    texts = [(stream or b"").decode(errors="replace") for stream in (out, err)]
    return Outcome(started.returncode, texts[0], texts[1], crash)


def environment() -> dict[str, str]:
    """The environment of a subprocess: imports this checkout, without the variables that change what is printed."""
    left_out = ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "PYTHONWARNINGS")
    kept = {key: value for key, value in os.environ.items() if key not in left_out}
    return kept | {"PYTHONPATH": str(ROOT), "PYTHONFAULTHANDLER": "1"}


def run_commands(calls: Sequence[Sequence[str]]) -> list[Outcome]:
    """Run commands one after another in a worker process; a crash of the worker is the outcome of that one command."""
    outcomes: list[Outcome] = []
    while len(outcomes) < len(calls):
        remaining = [list(call) for call in calls[len(outcomes) :]]
        lines = "\n".join(json.dumps(call) for call in remaining).encode()
        worker = [sys.executable, "-m", "tests.attack.harness"]
        done = subprocess.run(worker, input=lines, capture_output=True, cwd=ROOT, env=environment(), check=False)
        results = [line for line in done.stdout.splitlines() if line.startswith(b"{")]
        outcomes += [msgspec.json.decode(line, type=Outcome) for line in results]
        if len(results) < len(remaining):
            end = done.stderr.decode(errors="replace")
            outcomes.append(Outcome(done.returncode, "", end, f"the process ended with {done.returncode}: {end}"))
    return outcomes


def violation(outcome: Outcome) -> str:
    """What is wrong with an outcome; empty if the command succeeded, or refused with one line that gives the reason."""
    if outcome.crash or "Traceback" in outcome.err:
        return outcome.crash or outcome.err
    if outcome.code not in (0, 1, 2):
        return f"exit code {outcome.code}: {outcome.err}"
    if outcome.code == 2:
        lines = [line for line in outcome.err.splitlines() if not line.startswith("runs the code of ")]
        if len(lines) != 1 or not lines[0].startswith("error: ") or len(lines[0]) < len("error: ") + 8:
            return f"not one line: {outcome.err!r}"
        if len(lines[0]) > 2_000:
            return f"a line of {len(lines[0]):,} characters: {lines[0][:300]!r}"
        if outcome.out:
            return f"refused, but printed {outcome.out[:200]!r}"
    elif "error: " in outcome.err:
        return f"exit code {outcome.code} with an error: {outcome.err}"
    return ""


def check(target: str, outcome: Outcome, case: object = "") -> Outcome:
    """Count a case, and assert that the command succeeded or refused properly."""
    COUNTS[target] += 1
    assert not (wrong := violation(outcome)), f"{case!r:.1000}\n{wrong}"
    return outcome


def check_refused(target: str, outcome: Outcome, case: object = "") -> str:
    """As `check`, for a case that must be refused; returns the error line."""
    check(target, outcome, case)
    assert outcome.code == 2, f"{case!r:.1000}: exit code {outcome.code}"
    return outcome.err


def _serve() -> None:
    """Run as a worker: a command on each line of standard input, an outcome on each line of standard output."""
    import faulthandler

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    faulthandler.register(signal.SIGXCPU, chain=True)
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    for line in sys.stdin:
        # Code that holds the interpreter does not see the timers' signals: the kernel ends it, or a thread of C.
        resource.setrlimit(resource.RLIMIT_CPU, (int(time.process_time()) + 2 * CPU_SECONDS, resource.RLIM_INFINITY))
        faulthandler.dump_traceback_later(2 * WALL_SECONDS, exit=True)
        outcome = run_command(json.loads(line))
        faulthandler.cancel_dump_traceback_later()
        outcome.out, outcome.err, outcome.crash = outcome.out[:5_000], outcome.err[:5_000], outcome.crash[-5_000:]
        out.write(msgspec.json.encode(outcome) + b"\n")
        out.flush()


if __name__ == "__main__":
    _serve()
