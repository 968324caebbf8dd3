"""Reference trajectories for @dm/optim: 100 steps of each optimizer on one fixed problem, in float64.

    python tools/parity/optim_fixture.py [folder]     writes packages/optim/src/fixtures/optimizers.json

Adam, AdamW, SGD, and Muon are from torch.optim (Muon without its bfloat16 cast). Lion, schedule-free AdamW, and
AdEMAMix are the published code, imported from `folder`, into which https://github.com/lucidrains/lion-pytorch,
https://github.com/facebookresearch/schedule_free, and https://github.com/apple/ml-ademamix were copied on top of each
other. No published code of momentum decay with compensation corrects the bias of a changing beta1, so its reference is
the plain loop below.

The problem, also in packages/optim/src/testing.ts, has 17 parameters, a [4, 3] matrix and a vector [5], with the
initial values p_i = sin(3 i + 1) and the gradient (0.5 + 0.3 i) (p_i - cos i) + 0.1 p_i^3 + 0.3 sin(0.7 k + i) at step
k.
"""

import json
import math
import sys
from pathlib import Path

import torch

SIZE, ROWS, COLS, STEPS = 17, 4, 3, 100
KEPT = (1, 2, 10, 100)
INDEX = torch.arange(SIZE, dtype=torch.float64)


def start():
    return torch.sin(3 * INDEX + 1)


def gradient(p, step):
    return (0.5 + 0.3 * INDEX) * (p - torch.cos(INDEX)) + 0.1 * p**3 + 0.3 * torch.sin(0.7 * step + INDEX)


def run(update, read=lambda p: p):
    p = start()
    kept = {}
    for step in range(STEPS):
        update(p, gradient(p.detach(), step), step)
        if step + 1 in KEPT:
            kept[str(step + 1)] = read(p.detach()).tolist()
    return kept


def torch_like(make):
    state = {}

    def update(p, g, step):
        if "optimizer" not in state:
            state["optimizer"] = make([p.requires_grad_(True)])
            if hasattr(state["optimizer"], "train"):
                state["optimizer"].train()
        p.grad = g
        state["optimizer"].step()

    return update, state


def reference(make):
    return run(torch_like(make)[0])


def momentum_decay(compensate):
    """AdamW with Demon's beta1 on the averaged first moment; c1 is one minus the product of the beta1 so far."""
    lr0, b0, b2, eps, wd = 0.02, 0.9, 0.999, 1e-8, 0.05
    m, v, product = torch.zeros(SIZE, dtype=torch.float64), torch.zeros(SIZE, dtype=torch.float64), [1.0]

    def update(p, g, step):
        tau = step / STEPS
        beta = b0 * (1 - tau) / ((1 - b0) + b0 * (1 - tau))
        lr = lr0 * (1 - b0) / (1 - beta) if compensate else lr0
        product[0] *= beta
        m.mul_(beta).add_(g, alpha=1 - beta)
        v.mul_(b2).addcmul_(g, g, value=1 - b2)
        p.mul_(1 - lr * wd)
        p.sub_(lr * (m / (1 - product[0])) / ((v / (1 - b2 ** (step + 1))).sqrt() + eps))

    return run(update)


def muon(**options):
    """The first 12 parameters are a matrix [in, out], transposed for torch; Adam updates the others."""
    torch.Tensor.bfloat16 = lambda self: self.clone()
    matrix = start()[: ROWS * COLS].reshape(ROWS, COLS).T.contiguous().requires_grad_(True)
    rest = start()[ROWS * COLS :].requires_grad_(True)
    hidden = torch.optim.Muon([matrix], lr=0.01, momentum=0.95, weight_decay=0.1, **options)
    other = torch.optim.Adam([rest], lr=0.02)

    def update(p, g, step):
        matrix.grad = g[: ROWS * COLS].reshape(ROWS, COLS).T.contiguous()
        rest.grad = g[ROWS * COLS :]
        hidden.step()
        other.step()
        p.copy_(torch.cat([matrix.detach().T.reshape(-1), rest.detach()]))

    return run(update)


def schedule_free():
    from schedulefree import AdamWScheduleFree

    update, state = torch_like(lambda p: AdamWScheduleFree(p, lr=0.02, weight_decay=0.05, warmup_steps=10))
    average = {}

    def with_average(p, g, step):
        update(p, g, step)
        if step + 1 in KEPT:
            state["optimizer"].eval()
            average[str(step + 1)] = p.detach().tolist()
            state["optimizer"].train()

    return {"scheduleFreeAdamW": run(with_average), "scheduleFreeAdamW average": average}


def main():
    if len(sys.argv) > 1:
        sys.path.insert(0, sys.argv[1])
    from lion_pytorch import Lion
    from pytorch.ademamix import AdEMAMix

    cases = {
        "adam": reference(lambda p: torch.optim.Adam(p, lr=0.02, weight_decay=0.1)),
        "adamW": reference(lambda p: torch.optim.AdamW(p, lr=0.02, betas=(0.8, 0.99), weight_decay=0.05)),
        "sgd": reference(lambda p: torch.optim.SGD(p, lr=0.02, momentum=0.9, weight_decay=0.1)),
        "sgd nesterov": reference(lambda p: torch.optim.SGD(p, lr=0.02, momentum=0.9, nesterov=True)),
        "lion": reference(lambda p: Lion(p, lr=0.01, betas=(0.9, 0.99), weight_decay=0.1)),
        "adEMAMix": reference(
            lambda p: AdEMAMix(p, lr=0.02, betas=(0.9, 0.999, 0.9999), alpha=2.0, beta3_warmup=60, alpha_warmup=60, weight_decay=0.05)
        ),
        **schedule_free(),
        "momentum decay": momentum_decay(True),
        "demon": momentum_decay(False),
        "muon": muon(),
        "muon matchRmsAdamW": muon(adjust_lr_fn="match_rms_adamw"),
    }
    assert all(math.isfinite(x) for case in cases.values() for p in case.values() for x in p)
    fixture = {"made by": "tools/parity/optim_fixture.py", "torch": torch.__version__, "cases": cases}
    path = Path(__file__).resolve().parents[2] / "packages/optim/src/fixtures/optimizers.json"
    text = json.dumps(fixture, default=str)
    path.write_text(json.dumps(json.loads(text, parse_float=lambda s: float(f"{float(s):.9g}")), separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
