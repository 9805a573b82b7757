"""Attacks: everything that a stranger could hand to the project, and what must hold for all of it.

`ATTACK_SCALE` is the share of the cases that is tried: 0.1 without it, 1 under `make attack`. Seeds are fixed;
`ATTACK_SEED=N` tries others.
"""

import os
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests.attack import arena

settings.register_profile(
    "attack",
    deadline=None,
    derandomize="ATTACK_SEED" not in os.environ,
    database=None,
    suppress_health_check=list(HealthCheck),
)
settings.load_profile("attack")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if arena.TRIED:
        told = ", ".join(f"{count:,} {what}" for what, count in sorted(arena.TRIED.items()))
        terminalreporter.write_line(f"attacked with {sum(arena.TRIED.values()):,} cases: {told}")


def pytest_sessionfinish(session: pytest.Session) -> None:
    if hasattr(session.config, "workeroutput"):  # one of several processes
        session.config.workeroutput["tried"] = dict(arena.TRIED)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    arena.TRIED.update(getattr(node, "workeroutput", {}).get("tried", {}))
