"""How every contender times its work, and what it says of its memory. repeat.mjs has the same."""

import os
import re
import resource
import sys
import time
from pathlib import Path


def repeat(call, pace, warm=None):
    """The first call and the timed ones in milliseconds; `pace` has warmup, steps and seconds, see repeat.mjs."""

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
    """Seconds of processor time that this process has used, with those that it started and that ended."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


def peak_mb():
    """Largest resident size of this process so far, in MiB."""
    status = Path("/proc/self/status")
    if status.exists():
        # Not getrusage's: that one begins with what the parent had.
        return int(re.search(r"VmHWM:\s+(\d+) kB", status.read_text())[1]) / 1024
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
