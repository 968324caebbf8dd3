"""Reference outputs and gradients for the model cases of @dm/models.

    DIFFUSERS_SRC=<diffusers>/src DIT_SRC=<DiT> UVIT_SRC=<U-ViT> EDM_SRC=<edm> python tools/parity/models_fixture.py

Reads packages/models/src/testing/model-cases.json and writes packages/models/src/fixtures/models.safetensors: for each
case the output `y` [N, H, W, C], and for each trainable tensor, in the order of the state dict, the norm of its
gradient and two projections. The metadata contains the names and shapes. Also writes diffusers' config.json files, and
a small file saved by Hugging Face's safetensors library.

diffusers (UNet2DModel, DiTTransformer2DModel) is imported from DIFFUSERS_SRC, or as installed; facebookresearch/DiT
from DIT_SRC (needs timm); baofff/U-ViT from UVIT_SRC (needs einops); and NVlabs/edm's EDMPrecond from EDM_SRC.
EDMPrecond wraps the models of the cases with `edm`, whose timesteps are sigmas. Weights and inputs come from the closed
formula of packages/models/src/testing/model-cases.ts.
"""

import json
import os
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from closed_formula import hashed as hashed_array
from reference_import import find_diffusers

ROOT = Path(__file__).resolve().parents[2] / "packages" / "models" / "src"
FIXTURES = ROOT / "fixtures"

find_diffusers()
sys.path[:0] = [os.environ["DIT_SRC"], os.environ["UVIT_SRC"], os.environ["EDM_SRC"]]

from diffusers import DiTTransformer2DModel, UNet2DModel  # noqa: E402
from libs.uvit import UViT  # noqa: E402
from models import DiT  # noqa: E402
from safetensors.torch import save_file  # noqa: E402
from training.networks import EDMPrecond  # noqa: E402


def hashed(name, shape):
    return torch.from_numpy(hashed_array(name, shape))


def fill(model):
    """Sets all trainable weights by the formula. Constant tables are left as they are."""
    for name, p in model.named_parameters():
        if name == "pos_embed" and not p.requires_grad:
            continue
        u = hashed(name, p.shape)
        if p.dim() == 1:
            values = 1 + 0.2 * u if name.endswith("weight") else 0.1 * u
        else:
            values = np.sqrt(3 / np.prod(p.shape[1:])) * u
        p.data.copy_(values.float())


class Mask(torch.nn.Module):
    """Dropout with a mask from the formula, computed in NHWC order."""

    def __init__(self, name, rate):
        super().__init__()
        self.name, self.rate = name, rate

    def forward(self, x):
        n, c, h, w = x.shape
        u = hashed(f"mask {self.name}", (n, h, w, c)).permute(0, 3, 1, 2)
        return x * torch.where((u + 1) / 2 < self.rate, 0.0, 1 / (1 - self.rate)).float()


def nchw(t):
    return t.permute(0, 3, 1, 2).contiguous()


def build(case):
    others = {"DiT": DiT, "DiTTransformer2DModel": DiTTransformer2DModel, "UViT": UViT}
    if case["model"] in others:
        return others[case["model"]](**case["config"])
    model = UNet2DModel(**case["config"])
    for name, module in list(model.named_modules()):
        if isinstance(module, torch.nn.Dropout) and name.endswith(".dropout") and module.p > 0:
            parent, _, leaf = name.rpartition(".")
            setattr(model.get_submodule(parent), leaf, Mask(name, module.p))
    return model


def run(case):
    model = build(case).eval()
    fill(model)
    config = case["config"]
    size = next(config[key] for key in ("sample_size", "input_size", "img_size") if key in config)
    height, width = size if isinstance(size, list) else (size, size)
    n = len(case["timesteps"])
    default = 4 if case["model"] == "DiTTransformer2DModel" else 3
    channels = config.get("in_channels", config.get("in_chans", default))
    x = nchw(1.5 * hashed("x", (n, height, width, channels))).float()
    t = torch.tensor(case["timesteps"], dtype=torch.float32)
    labels = torch.tensor(case["labels"]) if "labels" in case else None

    def call(x, t, **_):
        y = model(x, t, labels)
        return y if torch.is_tensor(y) else y.sample

    if "edm" in case:
        preconditioning = SimpleNamespace(model=call, label_dim=0, use_fp16=False, **case["edm"])
        y = EDMPrecond.forward(preconditioning, x, t)
    else:
        y = call(x, t)
    dy = nchw(hashed("dy", (n, *y.shape[2:], y.shape[1]))).float()
    y.backward(dy)

    trained = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    prints = [
        [
            p.grad.double().norm(),
            (p.grad.double() * hashed(f"projection 0 {name}", p.shape)).sum(),
            (p.grad.double() * hashed(f"projection 1 {name}", p.shape)).sum(),
        ]
        for name, p in trained
    ]
    shapes = {name: list(tensor.shape) for name, tensor in model.state_dict().items()}
    print(f"{case['name']}: {sum(p.numel() for _, p in trained)} parameters, |y| {y.norm():.4f}")
    return y.detach().permute(0, 2, 3, 1).contiguous(), torch.tensor(prints, dtype=torch.float32), shapes


def main():
    FIXTURES.mkdir(exist_ok=True)
    tensors, metadata = {}, {}
    for case in json.loads((ROOT / "testing" / "model-cases.json").read_text()):
        name = case["name"]
        tensors[f"{name}/y"], tensors[f"{name}/gradient"], shapes = run(case)
        metadata[name] = json.dumps(shapes, separators=(",", ":"))
        if name == "unet as DDPM":
            with tempfile.TemporaryDirectory() as folder:
                UNet2DModel(**case["config"]).save_config(folder)
                (FIXTURES / "unet-config.json").write_text((Path(folder) / "config.json").read_text())
    save_file(tensors, FIXTURES / "models.safetensors", metadata)

    kinds = {
        "half": torch.tensor([1.5, -0.0, float("inf"), float("nan"), 6e-8, 65504.0], dtype=torch.float16),
        "brain": torch.tensor([1.5, -2.0, float("inf"), 3.3895313892515355e38], dtype=torch.bfloat16),
        "double": torch.tensor([0.1, 1e300, -1e-300], dtype=torch.float64),
        "long": torch.tensor([[1, -2], [2**31 - 1, -(2**31)]]),
        "int": torch.tensor([3, -4], dtype=torch.int32),
        "bool": torch.tensor([True, False, True]),
        "scalar": torch.tensor(2.5),
        "empty": torch.zeros(0, 3),
    }
    save_file(kinds, FIXTURES / "kinds.safetensors", {"format": "pt"})
    plain = {k: kinds[k] for k in ("int", "bool", "scalar", "empty")}
    save_file(plain, FIXTURES / "plain.safetensors", {"format": "pt"})


if __name__ == "__main__":
    main()
