"""Reference scales for GradScaler of @dm/optim, from torch.amp.GradScaler.

    python tools/parity/grad_scaler_fixture.py     writes packages/optim/src/fixtures/grad-scaler.json

Each case has the options of the scaler, the number of steps, the steps (from 0) whose gradient is infinite, and the scale
after each step that changed it.
"""

import json
from pathlib import Path

import torch

# Names of @dm/optim: the argument of torch.amp.GradScaler.
NAMES = {
    "initialScale": "init_scale",
    "growthFactor": "growth_factor",
    "backoffFactor": "backoff_factor",
    "growthInterval": "growth_interval",
}
CASES = [
    ({}, 4100, [0, 1, 2, 3, 40, 2030]),
    ({"initialScale": 1000.0, "growthFactor": 1.5, "backoffFactor": 0.3, "growthInterval": 3}, 60, [4, 9, 10, 11, 30]),
    # Does not grow to infinity, and may fall below 1.
    ({"initialScale": 2.0**120, "growthFactor": 16.0, "growthInterval": 1}, 20, []),
    ({"initialScale": 4.0, "growthInterval": 10}, 40, [1, 2, 3, 4, 5, 6, 30]),
]


def scales(options, steps, overflows):
    scaler = torch.amp.GradScaler("cpu", **{NAMES[name]: value for name, value in options.items()})
    weight = torch.nn.Parameter(torch.zeros(2))
    optimizer = torch.optim.SGD([weight], lr=0.0)
    changes, last = [], scaler.get_scale()
    for step in range(steps):
        scaler.scale(torch.ones(()))
        weight.grad = torch.full((2,), float("inf") if step in overflows else 1.0)
        scaler.step(optimizer)
        scaler.update()
        if scaler.get_scale() != last:
            last = scaler.get_scale()
            changes.append([step, last])
    return changes


cases = [
    {"options": options, "steps": steps, "overflows": overflows, "changes": scales(options, steps, overflows)}
    for options, steps, overflows in CASES
]
out = Path(__file__).resolve().parents[2] / "packages/optim/src/fixtures/grad-scaler.json"
out.write_text(json.dumps({"torch": torch.__version__, "cases": cases}) + "\n")
print(f"{out}: {[len(case['changes']) for case in cases]} changes")
