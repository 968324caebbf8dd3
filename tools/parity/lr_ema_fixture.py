"""Reference learning rates and EMA decays for @dm/optim at each step, from diffusers and EDM2.

    DIFFUSERS_SRC=<diffusers>/src python tools/parity/lr_ema_fixture.py <checkout of NVlabs/edm2>

Writes packages/optim/src/fixtures/lr-ema.json. Generated with diffusers 0.40.0.dev0, NVlabs/edm2 4bf8162, PyTorch
2.13.0.

EDM2's decays are measured: an EMA of 0 updated with parameters of 1 becomes 1 - decay.
"""

import importlib.util
import json
import sys
from pathlib import Path

import torch
from reference_import import find_diffusers

find_diffusers()

from diffusers import optimization  # noqa: E402
from diffusers.training_utils import EMAModel  # noqa: E402

STEPS = 40


def learning_rates(make, warmup, total, **options):
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.02)
    keywords = {} if total is None else {"num_training_steps": total}
    scheduler = make(optimizer, num_warmup_steps=warmup, **keywords, **options)
    rates = []
    for _ in range(STEPS):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


def ema_model(**options):
    model = EMAModel([torch.nn.Parameter(torch.zeros(1))], **options)
    decays = []
    for _ in range(STEPS):
        model.step([torch.nn.Parameter(torch.zeros(1))])
        decays.append(float(model.cur_decay_value))
    return decays


def edm2(repository, batch, **options):
    spec = importlib.util.spec_from_file_location("phema", Path(repository) / "training/phema.py")
    phema = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(phema)
    net = torch.nn.Linear(1, 1, bias=False).double()
    torch.nn.init.constant_(net.weight, 1)
    decays = []
    for step in range(STEPS):
        average = phema.TraditionalEMA(net, **options)
        torch.nn.init.constant_(average.ema.weight, 0)
        average.update(cur_nimg=(step + 1) * batch, batch_size=batch)
        decays.append(1 - average.ema.weight.item())
    return decays


def main(repository):
    cosine = optimization.get_cosine_schedule_with_warmup
    linear = optimization.get_linear_schedule_with_warmup
    constant = optimization.get_constant_schedule_with_warmup
    fixture = {
        "lr": [
            {"type": "cosine", "warmup": 7, "totalSteps": 30, "values": learning_rates(cosine, 7, 30)},
            {"type": "cosine", "warmup": 0, "totalSteps": 40, "values": learning_rates(cosine, 0, 40)},
            {"type": "linear", "warmup": 5, "totalSteps": 35, "values": learning_rates(linear, 5, 35)},
            {"type": "constant", "warmup": 6, "totalSteps": 30, "values": learning_rates(constant, 6, None)},
        ],
        "ema": [
            {"type": "rational", "options": {"maxDecay": 0.9999}, "values": ema_model()},
            {
                "type": "rational",
                "options": {"maxDecay": 0.7, "minDecay": 0.3, "updateAfterStep": 6},
                "values": ema_model(decay=0.7, min_decay=0.3, update_after_step=6),
            },
            {
                "type": "power",
                "options": {"maxDecay": 0.9, "minDecay": 0.5, "updateAfterStep": 4, "invGamma": 2, "power": 0.75},
                "values": ema_model(
                    decay=0.9, min_decay=0.5, update_after_step=4, use_ema_warmup=True, inv_gamma=2, power=0.75
                ),
            },
            {
                "type": "halfLife",
                "options": {"halfLifeImages": 100, "batchSize": 16, "ramp": "edm2"},
                "values": edm2(repository, 16, halflife_Mimg=100e-6),
            },
            {
                "type": "halfLife",
                "options": {"halfLifeImages": 4000, "batchSize": 32, "ramp": "edm2", "rampUp": 0.2},
                "values": edm2(repository, 32, halflife_Mimg=4000e-6, rampup_ratio=0.2),
            },
        ],
    }
    path = Path(__file__).resolve().parents[2] / "packages/optim/src/fixtures/lr-ema.json"
    path.write_text(json.dumps(fixture, separators=(",", ":")) + "\n")


main(*sys.argv[1:])
