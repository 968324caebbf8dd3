"""Reference losses and gradients of the trainer's objectives, for packages/trainer/src/step/objectives.test.ts.

    python tools/parity/objectives_fixture.py <edm> <edm2> <DiT> <SiT> packages/trainer/src/step/fixtures

The first four are checkouts of NVlabs/edm, NVlabs/edm2, facebookresearch/DiT, and willisma/SiT. Their own losses and
preconditioning run on a network of eight parameters with given noise and noise levels. Generated with edm 008a4e5,
edm2 4bf8162, DiT ed81ce2, SiT 947f95b, and PyTorch 2.13. The loss of JiT (LTH14/JiT, denoiser.py: x-prediction, v-loss,
t_eps 0.05), and those of one prediction in the space of another, are written out here. The test implements the same
closed formulas of the network, images, and noise.
"""

import importlib
import json
import math
import sys
import types
from pathlib import Path

import numpy as np
import torch

SHAPE = (4, 1, 2, 3)  # [N, C, H, W]; with one channel, [N, H, W, C] has the same element order
J = torch.arange(math.prod(SHAPE), dtype=torch.float64).reshape(SHAPE)
NOISE = (1.2 * torch.sin(1.7 * J + 0.5) + 0.4 * torch.cos(J * J)).float()
IMAGES = (torch.round(127.5 + 127.5 * torch.clamp(1.3 * torch.sin(2.1 * J), -1, 1)) / 127.5 - 1).float()
PARAMETERS = [0.7, 0.3, 0.4, 0.9, -0.2, 0.6, 0.5, 0.1]
BETAS = np.linspace(1e-3, 0.3, 12)
LN_SIGMAS = [-4.0, -1.2, 0.3, 2.5]
TIMES = [0.02, 0.3, 0.65, 0.97]
TIMESTEPS = [0, 1, 5, 11]
CHANNELS = 128


def parameters():
    return torch.tensor(PARAMETERS, requires_grad=True)


def network(p, x, t):
    shift = torch.sin(0.01 * t.float()).reshape(-1, 1, 1, 1)
    return p[3] * torch.tanh(p[0] * x + p[1] * torch.cos(J.float()) + p[2] * shift) + p[4]


def variance(p, x):
    return torch.sin(p[5] * x + p[6] * J.float()) + p[7]


def row(name, loss, p, **more):
    """Loss per example, and the gradient of its mean."""
    loss.mean().backward()
    return {"name": name, "loss": loss.reshape(4, -1).mean(1).tolist(), "gradient": p.grad.tolist(),
            **{key: value.grad.tolist() for key, value in more.items()}}


class Given:
    """Within it, torch.randn and torch.randn_like return the given noise."""

    def __init__(self, normal):
        self.normal = torch.tensor(normal).reshape(-1, 1, 1, 1)

    def __enter__(self):
        self.saved = (torch.randn, torch.randn_like)
        torch.randn = lambda *_args, **_kwargs: self.normal
        torch.randn_like = lambda *_args, **_kwargs: NOISE

    def __exit__(self, *_):
        torch.randn, torch.randn_like = self.saved


def modules_of(repository, *names):
    """Modules of a repository; packages that they import and do not need here are empty."""
    for absent in ("psutil", "requests", "PIL", "PIL.Image", "click"):
        sys.modules.setdefault(absent, types.ModuleType(absent))
    for loaded in [key for key in sys.modules if key.split(".")[0] in ("training", "torch_utils", "dnnlib")]:
        del sys.modules[loaded]
    sys.path.insert(0, repository)
    try:
        return [importlib.import_module(name) for name in names]
    finally:
        sys.path.pop(0)


class Toy(torch.nn.Module):
    def __init__(self, **_):
        super().__init__()
        self.p = torch.nn.Parameter(torch.tensor(PARAMETERS))

    def forward(self, x, t, *_args, **_kwargs):
        return network(self.p, x, t)


def edm(repository):
    losses, networks = modules_of(repository, "training.loss", "training.networks")
    networks.Toy = Toy
    net = networks.EDMPrecond(2, 1, model_type="Toy")
    with Given([(x + 1.2) / 1.2 for x in LN_SIGMAS]):
        return row("edm", losses.EDMLoss()(net, IMAGES), net.model.p)


def edm2(repository):
    loop, networks = modules_of(repository, "training.training_loop", "training.networks_edm2")
    networks.UNet = Toy
    net = networks.Precond(2, 1, 0, use_fp16=False)
    j = torch.arange(CHANNELS, dtype=torch.float32)
    head = (0.2 * torch.sin(j)).requires_grad_()

    def wrapped(x, sigma, labels, return_logvar):
        assert return_logvar
        noise = (sigma.flatten().log() / 4).reshape(-1, 1)
        phi = math.sqrt(2 / CHANNELS) * torch.cos(noise * (1 + j / 16) + j)
        return net(x, sigma, labels), (phi @ head).reshape(-1, 1, 1, 1)

    with Given([x + 0.4 for x in LN_SIGMAS]):
        return row("edm2", loop.EDM2Loss()(wrapped, IMAGES), net.unet.p, head=head)


def hybrid(repository):
    sys.path.insert(0, repository)
    from diffusion import gaussian_diffusion as gd

    rows = []
    for mean, name in [("EPSILON", "epsilon"), ("START_X", "x0")]:
        process = gd.GaussianDiffusion(betas=BETAS, model_mean_type=gd.ModelMeanType[mean], loss_type=gd.LossType.MSE,
                                       model_var_type=gd.ModelVarType.LEARNED_RANGE)
        p = parameters()
        terms = process.training_losses(lambda x, t: torch.cat([network(p, x, t), variance(p, x)], 1), IMAGES,
                                        torch.tensor(TIMESTEPS), noise=NOISE)
        rows.append(row(f"hybrid, {name}", terms["loss"].float(), p))
    return rows


def sit(repository):
    sys.modules.setdefault("torchdiffeq", types.ModuleType("torchdiffeq")).odeint = None
    sys.path.insert(0, repository)
    import transport

    process = transport.create_transport()
    # Its time and velocity are from noise to image.
    process.sample = lambda x1: (1 - torch.tensor(TIMES), NOISE, x1)
    p = parameters()
    return row("flow", process.training_losses(lambda x, t: -network(p, x, 1000 * (1 - t)), IMAGES)["loss"], p)


def jit():
    p = parameters()
    t = (1 - torch.tensor(TIMES)).reshape(-1, 1, 1, 1)
    z = t * IMAGES + (1 - t) * NOISE
    x = network(p, z, 1000 * (1 - t).flatten())
    v, predicted = [(image - z) / (1 - t).clamp_min(0.05) for image in (IMAGES, x)]
    return row("flow-x0", ((v - predicted) ** 2).mean((1, 2, 3)), p)


def spaces():
    """Each prediction with the loss in each space, on a variance-preserving schedule."""
    abar = torch.tensor(np.cumprod(1 - BETAS))[TIMESTEPS].reshape(-1, 1, 1, 1)
    alpha, sigma = abar.sqrt(), (1 - abar).sqrt()
    x = alpha * IMAGES + sigma * NOISE
    of = {
        "epsilon": lambda x0, eps: eps,
        "x0": lambda x0, eps: x0,
        "v": lambda x0, eps: alpha * eps - sigma * x0,
        "flow": lambda x0, eps: eps - x0,
    }
    solved = {
        "epsilon": lambda f: ((x - sigma * f) / alpha, f),
        "x0": lambda f: (f, (x - alpha * f) / sigma),
        "v": lambda f: (alpha * x - sigma * f, sigma * x + alpha * f),
        "flow": lambda f: ((x - sigma * f) / (alpha + sigma), (x + alpha * f) / (alpha + sigma)),
    }
    rows = []
    for prediction in of:
        for space in of:
            p = parameters()
            output = network(p, x.float(), torch.tensor(TIMESTEPS)).double()
            error = of[space](*solved[prediction](output)) - of[space](IMAGES, NOISE)
            rows.append(row(f"{prediction} in {space}", (error**2).mean((1, 2, 3)), p))
    return rows


def main(edm_, edm2_, dit, sit_, folder):
    rows = [edm(edm_), edm2(edm2_), *hybrid(dit), sit(sit_), jit(), *spaces()]
    text = json.dumps(json.loads(json.dumps(rows), parse_float=lambda s: float(f"{float(s):.7g}")), separators=(",", ":"))
    path = Path(folder)
    path.mkdir(parents=True, exist_ok=True)
    (path / "objectives.json").write_text(text.replace('},{"name"', '},\n{"name"') + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
