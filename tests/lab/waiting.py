"""Waiting for another process: polling with a deadline, never a fixed sleep."""

import time


def until(condition, deadline_s=10.0):
    """Poll until `condition()` is true."""
    end = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < end, f"not within {deadline_s} s"
        time.sleep(0.01)
