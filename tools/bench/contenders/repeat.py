"""Timing and memory measurement of every contender. repeat.mjs is the same in JavaScript."""

import os
import re
import resource
import sys
import time
from pathlib import Path


def repeat(call, pace, warm=None):
    """Times the first call and later calls in milliseconds. `pace` has warmup, steps, and seconds, as in repeat.mjs."""

    def timed(work):
        start = time.perf_counter()
        work()
        return (time.perf_counter() - start) * 1e3

    first = timed(warm or call)
    began = time.perf_counter()
    for _ in range(pace["warmup"]):
        if time.perf_counter() - began >= pace["seconds"] / 2:
            break
        timed(warm or call)
    began = time.perf_counter()
    ms = [timed(call)]
    while len(ms) < pace["steps"] and time.perf_counter() - began < pace["seconds"]:
        ms.append(timed(call))
    return {"firstMs": first, "ms": ms}


def cpu_seconds():
    """CPU seconds used by this process and by its finished child processes."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


def peak_mb():
    """Peak resident set size of this process, in MiB."""
    status = Path("/proc/self/status")
    if status.exists():
        # Not from getrusage, whose value starts at the parent's.
        return int(re.search(r"VmHWM:\s+(\d+) kB", status.read_text())[1]) / 1024
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
