"""Loads a UNet written by @dm/models in diffusers, and compares its output.

    DIFFUSERS_SRC=<diffusers>/src python tools/parity/models_load.py <folder>

The folder contains config.json, diffusion_pytorch_model.safetensors, and check.safetensors with x, t, and y in NCHW.
All names must match (strict), and y must agree to 1e-4. Run by packages/models/src/python.test.ts if DM_PYTHON is set.
"""

import sys
from pathlib import Path

import torch
from reference_import import find_diffusers

find_diffusers()

from diffusers import UNet2DModel  # noqa: E402
from safetensors.torch import load_file  # noqa: E402

folder = Path(sys.argv[1])
config = UNet2DModel.load_config(folder)
model = UNet2DModel.from_config(config)
model.load_state_dict(load_file(folder / "diffusion_pytorch_model.safetensors"), strict=True)
opened = UNet2DModel.from_pretrained(folder, local_files_only=True).eval()
for name, value in model.state_dict().items():
    assert torch.equal(value, opened.state_dict()[name]), name

check = load_file(folder / "check.safetensors")
with torch.no_grad():
    learned = config.get("time_embedding_type") == "learned"  # accepts only integers
    y = opened(check["x"], check["t"].long() if learned else check["t"]).sample
difference = ((y - check["y"]).norm() / check["y"].norm()).item()
print(f"difference {difference:.1e}")
assert difference < 1e-4, difference
