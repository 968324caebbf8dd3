"""Reference values of power-function averages and post-hoc EMA for @dm/optim and @dm/trainer, from EDM2's training/phema.py.

    EDM2_SRC=<checkout of NVlabs/edm2> python tools/parity/phema_fixture.py

Writes packages/optim/src/fixtures/phema.json. Generated with NVlabs/edm2 4bf8162, NumPy 2.4, PyTorch 2.13.0.

The parameters of step n (from 1) are w_j(n) = sin(0.01 (j + 1) n) + j / (1 + 0.02 n), j = 0, 1, 2, so that the test computes
the same ones. `tracked` are averages updated at every step, in float64.
"""

import importlib.util
import json
import os
from pathlib import Path

import numpy as np
import torch

BATCH = 32
STDS = [0.05, 0.1]
STEPS, EVERY = 240, 40
WANTED = [0.04, 0.07, 0.15, 0.25]

spec = importlib.util.spec_from_file_location("phema", Path(os.environ["EDM2_SRC"]) / "training/phema.py")
phema = importlib.util.module_from_spec(spec)
spec.loader.exec_module(phema)


def parameters(step):
    return torch.tensor([np.sin(0.01 * (j + 1) * step) + j / (1 + 0.02 * step) for j in range(3)], dtype=torch.float64)


def track(stds):
    """The averages after each step, [steps][stds][3]."""
    net = torch.nn.Linear(3, 1, bias=False).double()
    with torch.no_grad():
        net.weight.copy_(parameters(1))
    averages = phema.PowerFunctionEMA(net, stds=stds)
    history = []
    for step in range(1, STEPS + 1):
        with torch.no_grad():
            net.weight.copy_(parameters(step))
        averages.update(cur_nimg=step * BATCH, batch_size=BATCH)
        history.append([ema.weight.detach().numpy().flatten().copy() for ema, _ in averages.get()])
    return np.array(history)


def coefficients(times, stds, wanted_time, wanted):
    return phema.solve_posthoc_coefficients(np.float64(times), stds, wanted_time, wanted)[:, 0].tolist()


def main():
    snapshots = [(step, std) for step in range(EVERY, STEPS + 1, EVERY) for std in STDS]
    history = track(STDS)
    values = [history[step - 1][STDS.index(std)].tolist() for step, std in snapshots]
    tracked = track(WANTED)[-1]
    cases = []
    for std, direct in zip(WANTED, tracked):
        x = coefficients([step for step, _ in snapshots], [s for _, s in snapshots], STEPS, std)
        cases.append(
            {
                "relativeStd": std,
                "coefficients": x,
                "reconstructed": (np.array(x) @ np.array(values)).tolist(),
                "tracked": direct.tolist(),
            }
        )
    three = {
        "snapshots": [[500, 0.05], [500, 0.1], [500, 0.2], [1000, 0.05], [1000, 0.1], [1000, 0.2]],
        "time": 1000,
        "relativeStd": 0.12,
    }
    times, stds = zip(*three["snapshots"])
    three["coefficients"] = coefficients(times, list(stds), three["time"], three["relativeStd"])
    fixture = {
        "steps": STEPS,
        "every": EVERY,
        "exponents": [[std, float(phema.std_to_exp(std))] for std in [0.01, 0.05, 0.1, 0.2, 0.28]],
        "decays": [[float(phema.power_function_beta(s, n * BATCH, BATCH)) for n in (1, 2, 10, 1000)] for s in STDS],
        "cases": cases,
        "threeWidths": three,
    }
    path = Path(__file__).resolve().parents[2] / "packages/optim/src/fixtures/phema.json"
    path.write_text(json.dumps(fixture, separators=(",", ":")) + "\n")


main()
