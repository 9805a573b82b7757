"""Attack tests: untrusted input of every kind, which must be handled or refused with one line.

`ATTACK_SCALE` is the share of the cases to run: 0.1 by default, 1 under `make attack`. The random cases have a fixed
seed; `ATTACK_SEED=N` runs others.
"""

import os
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests.attack import harness

settings.register_profile(
    "attack",
    deadline=None,
    derandomize="ATTACK_SEED" not in os.environ,
    database=None,
    suppress_health_check=list(HealthCheck),
)
settings.load_profile("attack")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if harness.COUNTS:
        counts = ", ".join(f"{count:,} {target}" for target, count in sorted(harness.COUNTS.items()))
        terminalreporter.write_line(f"{sum(harness.COUNTS.values()):,} attack cases: {counts}")


def pytest_sessionfinish(session: pytest.Session) -> None:
    if hasattr(session.config, "workeroutput"):  # a worker of pytest-xdist
        session.config.workeroutput["attack cases"] = dict(harness.COUNTS)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    harness.COUNTS.update(getattr(node, "workeroutput", {}).get("attack cases", {}))
