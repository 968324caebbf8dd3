"""Images sampled with different scheduler settings, as references for pipelines imported by @dm/trainer.

    DIFFUSERS_SRC=<diffusers>/src python tools/parity/import_fixture.py

Writes packages/trainer/src/interchange/fixtures/imported-schedulers.json: the network's configuration, and for each
scheduler its scheduler_config.json as saved by diffusers, the number of steps, and the images [N, H, W, C] sampled by
DDPMPipeline's loop. Weights and noise come from the closed formula. Generated with diffusers 0.40.0.dev0, PyTorch
2.13.0.
"""

import json
from pathlib import Path

import numpy as np
import torch
from closed_formula import hashed
from reference_import import find_diffusers

find_diffusers()

from diffusers import DDIMScheduler, UNet2DModel  # noqa: E402

CONFIG = {
    "sample_size": 8,
    "in_channels": 1,
    "out_channels": 1,
    "block_out_channels": [8, 16],
    "down_block_types": ["DownBlock2D", "AttnDownBlock2D"],
    "up_block_types": ["AttnUpBlock2D", "UpBlock2D"],
    "layers_per_block": 1,
    "norm_num_groups": 4,
}
SHAPE = (2, 8, 8, 1)

# Number of steps, and options of DDIMScheduler.
CASES = [
    (10, {"clip_sample": False, "timestep_spacing": "trailing", "set_alpha_to_one": False, "steps_offset": 1}),
    (10, {"clip_sample": False, "set_alpha_to_one": False, "steps_offset": 1, "beta_schedule": "scaled_linear",
          "beta_start": 0.00085, "beta_end": 0.012, "prediction_type": "v_prediction"}),
    (7, {"timestep_spacing": "trailing", "clip_sample_range": 0.5}),
    (7, {"timestep_spacing": "trailing", "set_alpha_to_one": False, "prediction_type": "sample", "clip_sample": False}),
    (10, {"timestep_spacing": "linspace"}),
    (6, {"timestep_spacing": "linspace", "set_alpha_to_one": False, "clip_sample": False, "prediction_type": "v_prediction"}),
    (10, {"thresholding": True, "dynamic_thresholding_ratio": 0.9, "sample_max_value": 1.5}),
    (5, {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing", "prediction_type": "v_prediction",
         "clip_sample": False}),
    (8, {"rescale_betas_zero_snr": True, "beta_schedule": "squaredcos_cap_v2"}),
    (9, {"num_train_timesteps": 50, "steps_offset": 3}),
]


def network():
    model = UNet2DModel(**CONFIG).eval()
    for name, p in model.named_parameters():
        u = torch.from_numpy(hashed(name, p.shape))
        scale = 1 + 0.2 * u if name.endswith("weight") else 0.1 * u
        p.data.copy_(scale.float() if p.dim() == 1 else (np.sqrt(3 / np.prod(p.shape[1:])) * u).float())
    return model


@torch.no_grad()
def images(model, scheduler, steps):
    scheduler.set_timesteps(steps)
    x = torch.from_numpy(1.7 * hashed("noise", SHAPE)).permute(0, 3, 1, 2).float()
    for t in scheduler.timesteps:
        x = scheduler.step(model(x, t).sample, t, x).prev_sample
    return x.permute(0, 2, 3, 1)


def main():
    model = network()
    cases = []
    for steps, options in CASES:
        scheduler = DDIMScheduler(**options)
        values = [float(f"{v:.7g}") for v in images(model, scheduler, steps).flatten().tolist()]
        assert np.isfinite(values).all()
        cases.append({"options": options, "steps": steps, "file": json.loads(scheduler.to_json_string()), "images": values})
    path = Path(__file__).resolve().parents[2] / "packages/trainer/src/interchange/fixtures/imported-schedulers.json"
    path.parent.mkdir(exist_ok=True)
    fixture = {"config": {"_class_name": "UNet2DModel", **CONFIG}, "shape": SHAPE, "cases": cases}
    path.write_text(json.dumps(fixture, separators=(",", ":")) + "\n")


main()
