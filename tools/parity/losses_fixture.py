"""Reference values of the variational bound for @dm/core, from the diffusion package of facebookresearch/DiT.

    python tools/parity/losses_fixture.py <checkout of facebookresearch/DiT> packages/core/src/fixtures

Generated with DiT ed81ce2, PyTorch 2.13.0. The tests implement the same closed formulas of the network, images, and
noise.
"""

import json
import math
import sys
from pathlib import Path

import numpy as np
import torch

SHAPE = (4, 1, 2, 3)  # [N, C, H, W]; with one channel, [N, H, W, C] has the same element order
J = torch.arange(math.prod(SHAPE), dtype=torch.float64).reshape(SHAPE)
BETAS = np.linspace(1e-3, 0.3, 12)


def noise(k):
    return (1.2 * torch.sin(1.7 * J + 2.3 * k + 0.5) + 0.4 * torch.cos(J * J + k)).float()


def images():
    """Pixels 0 to 255, including both ends, scaled to [-1, 1]."""
    return (torch.round(127.5 + 127.5 * torch.clamp(1.3 * torch.sin(2.1 * J), -1, 1)) / 127.5 - 1).float()


def network(x, t):
    return torch.tanh(0.7 * x + 0.3 * torch.sin(0.3 * t.double()).reshape(-1, 1, 1, 1) + 0.4 * torch.cos(J)).float()


def variance(x):
    return torch.sin(x + J).float()


def learned(x, t):
    return torch.cat([network(x, t), variance(x)], 1)


def main(repository, folder):
    sys.path.insert(0, repository)
    from diffusion import gaussian_diffusion as gd

    def process(mean, var):
        return gd.GaussianDiffusion(betas=BETAS, model_mean_type=gd.ModelMeanType[mean], model_var_type=gd.ModelVarType[var],
                                    loss_type=gd.LossType.MSE)

    t = torch.tensor([0, 1, 5, 11])
    x0 = images()
    diffusion = process("EPSILON", "LEARNED_RANGE")
    outputs = []

    def model(x, at):
        outputs.append(learned(x, at).requires_grad_())
        return outputs[-1]

    terms = diffusion.training_losses(model, x0, t, noise=noise(-1))
    (gradient,) = torch.autograd.grad(terms["vb"].sum(), outputs[0])
    training = {"mse": terms["mse"].tolist(), "vb": terms["vb"].tolist(), "gradient": gradient.flatten().tolist()}

    bounds = []
    for mean, var, prediction, ours in [
        ("EPSILON", "LEARNED_RANGE", "epsilon", "learnedRange"),
        ("START_X", "FIXED_SMALL", "x0", "fixedSmall"),
        ("EPSILON", "FIXED_LARGE", "epsilon", "fixedLarge"),
    ]:
        steps = iter(reversed(range(len(BETAS))))
        gd.th.randn_like = lambda _x: noise(next(steps))
        result = process(mean, var).calc_bpd_loop(learned if ours == "learnedRange" else network, x0)
        bounds.append({"prediction": prediction, "variance": ours, "total": result["total_bpd"].tolist(),
                       "prior": result["prior_bpd"].tolist(), "terms": result["vb"].flip(1).T.tolist()})

    data = {"training": training, "bounds": bounds}
    text = json.dumps(json.loads(json.dumps(data), parse_float=lambda s: float(f"{float(s):.9g}")), separators=(",", ":"))
    (Path(folder) / "variational-bound.json").write_text(text + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
