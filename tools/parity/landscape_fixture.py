"""Writes packages/eval/src/landscape/fixtures/network.json: loss, gradient norm, and all Hessian eigenvalues of a small
network (4 -> 6 -> 3, tanh, mean squared error), computed with torch.autograd.functional.hessian in float64.

    python tools/parity/landscape_fixture.py
"""
import json
from pathlib import Path

import torch

from eval_fixture import numbers

torch.set_default_dtype(torch.float64)
SHAPES = [(4, 6), (6,), (6, 3), (3,)]


def loss_of(flat, x, y):
    sizes = [torch.Size(s).numel() for s in SHAPES]
    w1, b1, w2, b2 = (piece.reshape(shape) for piece, shape in zip(flat.split(sizes), SHAPES))
    return ((torch.tanh(x @ w1 + b1) @ w2 + b2 - y) ** 2).mean()


def main():
    size = sum(torch.Size(s).numel() for s in SHAPES)
    flat = 0.5 * torch.tensor(numbers(size, 1))
    x = torch.tensor(numbers(32 * 4, 2)).reshape(32, 4)
    y = torch.tensor(numbers(32 * 3, 3)).reshape(32, 3)
    flat.requires_grad_()
    loss = loss_of(flat, x, y)
    (gradient,) = torch.autograd.grad(loss, flat)
    hessian = torch.autograd.functional.hessian(lambda p: loss_of(p, x, y), flat.detach())
    values = torch.linalg.eigvalsh(hessian).flip(0)
    out = Path(__file__).parents[2] / "packages/eval/src/landscape/fixtures/network.json"
    out.parent.mkdir(exist_ok=True)
    out.write_text(
        json.dumps(
            {"loss": loss.item(), "gradientNorm": gradient.norm().item(), "eigenvalues": values.tolist()}, indent=2
        )
        + "\n"
    )


if __name__ == "__main__":
    main()
