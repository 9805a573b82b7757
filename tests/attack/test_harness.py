"""The time limit of a case counts CPU time, so that a busy machine does not fail it."""

import time

import pytest

from tests.attack.harness import TimeLimitExceeded, time_limit


def test_waiting_does_not_count() -> None:
    with time_limit(0.1):
        time.sleep(0.3)


def test_computing_counts() -> None:
    with pytest.raises(TimeLimitExceeded, match=r"more than 0.1 s of CPU time"):
        compute_forever()


def compute_forever() -> None:
    with time_limit(0.1):
        while True:
            pass
