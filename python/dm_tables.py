"""Timestep schedules and momentum decay of @dm for PyTorch, from tables that `dm` writes. NumPy only; copy this file.

    dm curriculum table --schedule clts --timesteps 1000 --steps 50000 --out clts.npz
    dm optim table --lr 1e-4 --steps 50000 --out mdlrc.npz
    sampler, mdlrc = Sampler("clts.npz"), MDLRC(optimizer, "mdlrc.npz")
    timesteps, weights = sampler.sample(mdlrc.step, batch_size, np.random.default_rng(seed))
"""

import json
from pathlib import Path

import numpy as np


def read_table(path, kind):
    """The arrays of a .npz or .json table by name, and `meta`."""
    if str(path).lower().endswith(".json"):
        content = json.loads(Path(path).read_text("utf-8"))
        table = {"meta": content["meta"], **{name: np.array(v, np.float64) for name, v in content["arrays"].items()}}
    else:
        table = dict(np.load(path))
        table["meta"] = json.loads(table["meta"].tobytes())
    if (table["meta"]["kind"], table["meta"]["version"]) != (kind, 1):
        raise ValueError(f"{path} must be a {kind}, version 1, got {table['meta']['kind']}, {table['meta']['version']}")
    return table


class Sampler:
    """Timesteps and the weights of their losses. With a `prediction` (epsilon, x0, v, flow, or edm), these include the
    table's loss weights for it, and their scale if they are normalized. `stratified` draws one timestep from each of n equal parts of the distribution."""

    def __init__(self, table, prediction=None, stratified=False):
        self.table, self.stratified = read_table(table, "dm-curriculum-table"), stratified
        self.num_timesteps, self.weights = len(self.table["density"]), self.table["weights"]
        if prediction is not None:  # a KeyError means that the table has no loss weights for it
            self.weights = self.weights * self.table[f"lossWeights.{prediction}"]
        self.scale = self.table.get(f"lossScale.{prediction}", np.ones(1))

    def density(self, step):
        """Probability of each timestep at `step` (from 0): [T]. Steps after the end of the table use its last row."""
        share = self.table["lambda"][min(step, len(self.table["lambda"]) - 1)]
        return (1 - share) / self.num_timesteps + share * self.table["density"]

    def at(self, step, u):
        """The timesteps (int64) and weights (float64) of uniform numbers u [n] in [0, 1), by inverse CDF."""
        p = self.density(step)
        t = np.minimum(np.searchsorted(np.cumsum(p), u, side="right"), np.flatnonzero(p)[-1])
        scale = self.scale[min(step, len(self.scale) - 1)]
        return t, scale * self.weights[t] / (len(p) * p[t] if self.table["meta"]["importanceCorrected"] else 1)

    def sample(self, step, n, rng):
        """n timesteps and weights; `rng` is a numpy.random.Generator."""
        u = rng.random(n)
        return self.at(step, rng.permutation(np.arange(n) + u) / n if self.stratified else u)


class ScheduleSampler:
    """Like guided-diffusion's, for its TrainLoop; `step` is a function: lambda: loop.step + loop.resume_step."""

    def __init__(self, sampler, step, seed=0):
        self.sampler, self.step, self.rng = sampler, step, np.random.default_rng(seed)

    def weights(self):
        return self.sampler.density(self.step())

    def sample(self, batch_size, device):
        import torch
        t, weights = self.sampler.sample(self.step(), batch_size, self.rng)
        return torch.from_numpy(t).to(device), torch.from_numpy(weights).float().to(device)


def hook_randint(source):
    """For diffusers' scripts: their torch.randint(0, T, (n,), ...) takes the timesteps from `source`, a ScheduleSampler.

    A warning at the end of the program says if there was no such call, as with another T than the table's."""
    import atexit, sys, torch
    original, sampler, used = torch.randint, source.sampler, []
    if sampler.table["meta"]["importanceCorrected"] or np.any(sampler.weights != 1):
        raise ValueError("the table has loss weights: call sample() in the script, and multiply the losses by them")
    def randint(*args, **options):
        names = ("low", "high", "size") if len(args) + sum(k in options for k in ("low", "high", "size")) == 3 else ("high", "size")
        call = {"low": 0, **options, **dict(zip(names, args))}
        low, high, size = (call.get(name) for name in ("low", "high", "size"))
        if (low, high) != (0, sampler.num_timesteps) or not isinstance(size, (tuple, list)) or len(size) != 1:
            return original(*args, **options)
        used[:] = [True]
        return source.sample(size[0], options.get("device"))[0]
    torch.randint = randint
    atexit.register(lambda: used or print(f"warning: no torch.randint(0, {sampler.num_timesteps}, (n,)) took timesteps "
                                          "from the table", file=sys.stderr))


class MDLRC:
    """Sets lr and betas (momentum of SGD) of all groups just before each optimizer.step(), after any scheduler."""

    def __init__(self, optimizer, table, step=0):
        self.table, self.step = read_table(table, "dm-optimizer-table"), step
        getattr(optimizer, "optimizer", optimizer).register_step_pre_hook(lambda inner, *_: self.apply(inner))

    def apply(self, optimizer):
        table, k = self.table, min(self.step, len(self.table["lr"]) - 1)
        lr, momentum = table.get("matrixLr", table["lr"])[k], table.get("matrixMomentum", table["beta1"])[k]
        for group in optimizer.param_groups:
            if "betas" in group:
                group.update(lr=float(table["lr"][k]), betas=(float(table["beta1"][k]), *group["betas"][1:]))
            else:  # SGD, or Muon's matrices
                group.update(lr=float(lr), momentum=float(momentum))
                if table["meta"]["optimizer"].get("form") == "averaged":  # SGD with momentum in averaged form
                    group["dampening"] = float(momentum)
                    for p in group["params"]:  # PyTorch does not dampen the first gradient: it is added to zeros instead
                        if p.grad is not None and optimizer.state[p].get("momentum_buffer") is None:
                            optimizer.state[p]["momentum_buffer"] = p.grad.new_zeros(p.grad.shape)
        self.step += 1
