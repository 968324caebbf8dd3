"""Trajectories of google/ddpm-cifar10-32, with a quarter of its channels, as references for @dm/trainer.

    DIFFUSERS_SRC=<diffusers>/src python tools/parity/cifar_fixture.py

Writes packages/trainer/src/interchange/fixtures/ddpm-cifar10.json: the files config.json and scheduler_config.json as
diffusers saves them, and x of two images after each step of DDPM and of DDIM (DDIMScheduler.from_config of the DDPM
scheduler, as DDIMPipeline does), every 251st element of [N, H, W, C]. `thousand` is DDPM in 1000 steps, the pipeline's
default, after every 100th step. Weights and noise come from the closed formula. Generated with diffusers 0.40.0.dev0,
PyTorch 2.13.0.
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch
from closed_formula import hashed
from reference_import import find_diffusers

find_diffusers()

from diffusers import DDIMScheduler, DDPMScheduler, UNet2DModel  # noqa: E402

# The config.json and scheduler_config.json of the checkpoint, except for block_out_channels [128, 256, 256, 256].
MODEL = {
    "act_fn": "silu",
    "attention_head_dim": None,
    "block_out_channels": [32, 64, 64, 64],
    "center_input_sample": False,
    "down_block_types": ["DownBlock2D", "AttnDownBlock2D", "DownBlock2D", "DownBlock2D"],
    "downsample_padding": 0,
    "flip_sin_to_cos": False,
    "freq_shift": 1,
    "in_channels": 3,
    "layers_per_block": 2,
    "mid_block_scale_factor": 1,
    "norm_eps": 1e-06,
    "norm_num_groups": 32,
    "out_channels": 3,
    "sample_size": 32,
    "time_embedding_type": "positional",
    "up_block_types": ["UpBlock2D", "UpBlock2D", "AttnUpBlock2D", "UpBlock2D"],
}
SCHEDULER = {
    "beta_end": 0.02,
    "beta_schedule": "linear",
    "beta_start": 0.0001,
    "clip_sample": True,
    "num_train_timesteps": 1000,
    "trained_betas": None,
    "variance_type": "fixed_large",
}
SHAPE = (2, 32, 32, 3)
STRIDE = 251


def network():
    model = UNet2DModel(**MODEL).eval()
    for name, p in model.named_parameters():
        u = torch.from_numpy(hashed(name, p.shape))
        scale = 1 + 0.2 * u if name.endswith("weight") else 0.1 * u
        p.data.copy_(scale.float() if p.dim() == 1 else (np.sqrt(3 / np.prod(p.shape[1:])) * u).float())
    # Without this, DDIM multiplies rounding errors by 1000: float32 and float64 would differ by 7e-3.
    model.conv_out.weight.data *= 0.1
    return model


def noise(name):
    return torch.from_numpy(1.7 * hashed(name, SHAPE)).permute(0, 3, 1, 2).float()


def rounded(x):
    values = x.permute(0, 2, 3, 1).flatten()[::STRIDE]
    assert torch.isfinite(x).all()
    return [float(f"{v:.7g}") for v in values.tolist()]


@torch.no_grad()
def trajectory(model, scheduler, steps, every=1):
    scheduler.set_timesteps(steps)
    module = sys.modules[type(scheduler).__module__]
    x = noise("noise")
    rows = []
    for k, t in enumerate(scheduler.timesteps):
        module.randn_tensor = lambda shape, **_: noise(f"noise {k}")  # noqa: B023
        x = scheduler.step(model(x, t).sample, t, x).prev_sample
        if (k + 1) % every == 0:
            rows.append(rounded(x))
    return rows


def main():
    model = network()
    ddpm = DDPMScheduler(**SCHEDULER)
    ddim = DDIMScheduler.from_config(ddpm.config)
    fixture = {
        "model": json.loads(model.to_json_string()),
        "scheduler": json.loads(ddpm.to_json_string()),
        "shape": SHAPE,
        "stride": STRIDE,
        "ddpm": trajectory(model, ddpm, 10),
        "ddim": trajectory(model, ddim, 10),
        "thousand": trajectory(model, ddpm, 1000, 100),
    }
    path = Path(__file__).resolve().parents[2] / "packages/trainer/src/interchange/fixtures/ddpm-cifar10.json"
    path.write_text(json.dumps(fixture, separators=(",", ":")) + "\n")


main()
