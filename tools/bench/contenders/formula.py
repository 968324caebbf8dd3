"""Weights and inputs from a closed formula in integer arithmetic, bit-identical for every contender; as formula.mjs."""

import sys
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "parity"))
from closed_formula import hashed  # noqa: E402


def fill(model):
    """Sets all trainable weights by the formula. Constant tables are left as they are."""
    for name, p in model.named_parameters():
        if not p.requires_grad:
            continue
        u = hashed(name, tuple(p.shape))
        if p.dim() == 1:
            values = 1 + 0.2 * u if name.endswith("weight") else 0.1 * u
        else:
            values = np.sqrt(3 / np.prod(p.shape[1:])) * u
        p.data.copy_(torch.from_numpy(values.astype(np.float32)))


def images(name, shape, scale):
    """Images of the formula [N, H, W, C] → [N, C, H, W]."""
    return torch.from_numpy((scale * hashed(name, shape)).astype(np.float32)).permute(0, 3, 1, 2).contiguous()


def batch_of(shape, classes, step):
    """Images and noise [N, C, H, W], timesteps [N], and labels [N] of a batch with the `shape` [N, H, W, C]."""
    rows = range(shape[0])
    return {
        "images": images(f"images {step}", shape, 1.5),
        "noise": images(f"noise {step}", shape, np.sqrt(3)),
        "t": torch.tensor([float((37 + 61 * i + 17 * step) % 1000) for i in rows]),
        "labels": torch.tensor([(i + step) % max(1, classes) for i in rows]),
    }


