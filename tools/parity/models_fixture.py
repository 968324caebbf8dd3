"""Reference outputs and gradients for the model cases of @dm/models.

    DIFFUSERS_SRC=<diffusers>/src DIT_SRC=<DiT> UVIT_SRC=<U-ViT> EDM_SRC=<edm> EDM2_SRC=<edm2> \\
        python tools/parity/models_fixture.py [name of a case ...]

Reads packages/models/src/testing/model-cases.json and writes packages/models/src/fixtures/models.safetensors: for each
case the output `y` [N, H, W, C], and for each trainable tensor, in the order of the state dict, the norm of its
gradient and two projections. The metadata contains the names and shapes. Also writes diffusers' config.json files, and
a small file saved by Hugging Face's safetensors library. With names, only these cases are computed, and the results of
the others are kept; then only the sources of their classes are needed.

diffusers (UNet2DModel, DiTTransformer2DModel) is imported from DIFFUSERS_SRC, or as installed; facebookresearch/DiT
from DIT_SRC (needs timm); baofff/U-ViT from UVIT_SRC (needs einops); NVlabs/edm's SongUNet and EDMPrecond from EDM_SRC;
and NVlabs/edm2's UNet (here EDM2UNet) from EDM2_SRC. EDMPrecond wraps the models of the cases with `edm`, whose timesteps are sigmas. Weights and inputs come from the closed
formula of packages/models/src/testing/model-cases.ts.
"""

import importlib.util
import json
import os
import sys
import tempfile
import types
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from closed_formula import hashed as hashed_array
from reference_import import find_diffusers

ROOT = Path(__file__).resolve().parents[2] / "packages" / "models" / "src"
FIXTURES = ROOT / "fixtures"

find_diffusers()

from safetensors import safe_open  # noqa: E402
from safetensors.torch import save_file  # noqa: E402

NVLABS = ("SongUNet", "EDM2UNet")


def imported(module, source):
    """A module of the checkout in the environment variable `source`. Checkouts have packages of the same names."""
    for name in [name for name in sys.modules if name.split(".")[0] in ("dnnlib", "torch_utils", "training")]:
        del sys.modules[name]
    # Imported by dnnlib for downloads, which are not needed.
    if "requests" not in sys.modules and importlib.util.find_spec("requests") is None:
        sys.modules["requests"] = types.ModuleType("requests")
    sys.path.insert(0, os.environ[source])
    try:
        return importlib.import_module(module)
    finally:
        sys.path.pop(0)


def reference(model):
    if model in ("UNet2DModel", "DiTTransformer2DModel"):
        return getattr(importlib.import_module("diffusers"), model)
    if model == "DiT":
        return imported("models", "DIT_SRC").DiT
    if model == "UViT":
        return imported("libs.uvit", "UVIT_SRC").UViT
    if model == "SongUNet":
        return imported("training.networks", "EDM_SRC").SongUNet
    return imported("training.networks_edm2", "EDM2_SRC").UNet


def hashed(name, shape):
    return torch.from_numpy(hashed_array(name, shape))


def fill(model):
    """Sets all trainable weights and random tables by the formula. Constant tables are left as they are."""
    tables = [(name, b) for name, b in model.named_buffers() if name.endswith(("freqs", "phases"))]
    for name, p in [*model.named_parameters(), *tables]:
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
    model = reference(case["model"])(**case["config"])
    if case["model"] != "UNet2DModel":
        return model
    for name, module in list(model.named_modules()):
        if isinstance(module, torch.nn.Dropout) and name.endswith(".dropout") and module.p > 0:
            parent, _, leaf = name.rpartition(".")
            setattr(model.get_submodule(parent), leaf, Mask(name, module.p))
    return model


def run(case):
    model = build(case).eval()
    fill(model)
    config = case["config"]
    sizes = ("sample_size", "input_size", "img_size", "img_resolution")
    size = next(config[key] for key in sizes if key in config)
    height, width = size if isinstance(size, list) else (size, size)
    n = len(case["timesteps"])
    default = 4 if case["model"] == "DiTTransformer2DModel" else 3
    channels = next((config[key] for key in ("in_channels", "in_chans", "img_channels") if key in config), default)
    x = nchw(1.5 * hashed("x", (n, height, width, channels))).float()
    t = torch.tensor(case["timesteps"], dtype=torch.float32)
    labels = torch.tensor(case["labels"]) if "labels" in case else None

    def call(x, t, *_, **__):
        if case["model"] in NVLABS:
            classes = config["label_dim"] if "labels" in case else 0
            return model(x, t, torch.nn.functional.one_hot(labels, classes).float() if classes > 0 else None)
        classes = labels
        if config.get("class_embed_type") == "identity":
            width = config.get("time_embedding_dim") or 4 * config["block_out_channels"][0]
            classes = torch.nn.functional.one_hot(labels, width).float()
        # An embedding accepts only integers.
        time = t.long() if config.get("time_embedding_type") == "learned" else t
        y = model(x, time, classes)
        return y if torch.is_tensor(y) else y.sample

    if "edm" in case:
        preconditioning = SimpleNamespace(model=call, label_dim=0, use_fp16=False, **case["edm"])
        y = imported("training.networks", "EDM_SRC").EDMPrecond.forward(preconditioning, x, t)
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


def read_cases():
    return json.loads((ROOT / "testing" / "model-cases.json").read_text())


def main():
    FIXTURES.mkdir(exist_ok=True)
    cases = read_cases()
    chosen = sys.argv[1:] or [case["name"] for case in cases]
    tensors, metadata = {}, {}
    if sys.argv[1:]:
        with safe_open(FIXTURES / "models.safetensors", "pt") as kept:
            tensors = {key: kept.get_tensor(key) for key in kept.keys()}
            metadata = kept.metadata()
    for case in [case for case in cases if case["name"] in chosen]:
        name = case["name"]
        tensors[f"{name}/y"], tensors[f"{name}/gradient"], shapes = run(case)
        metadata[name] = json.dumps(shapes, separators=(",", ":"))
        if name == "unet as DDPM":
            with tempfile.TemporaryDirectory() as folder:
                reference("UNet2DModel")(**case["config"]).save_config(folder)
                (FIXTURES / "unet-config.json").write_text((Path(folder) / "config.json").read_text())
    save_file(tensors, FIXTURES / "models.safetensors", metadata)
    if sys.argv[1:]:
        return

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
