"""A diffusion model of points on a roll in PyTorch, with CLTS and momentum decay from tables of dm."""

import math
import sys
from pathlib import Path

import numpy as np
import torch

sys.path.append(str(Path(__file__).parents[2] / "python"))  # or copy dm_tables.py next to your script
from dm_tables import MDLRC, Sampler

steps = int(sys.argv[1])
torch.manual_seed(0)
abar = torch.cos(torch.linspace(0, 0.999, 1000) * math.pi / 2) ** 2
model = torch.nn.Sequential(
    torch.nn.Linear(3, 64), torch.nn.ReLU(),
    torch.nn.Linear(64, 64), torch.nn.ReLU(),
    torch.nn.Linear(64, 64), torch.nn.ReLU(),
    torch.nn.Linear(64, 2),
)
optimizer = torch.optim.AdamW(model.parameters(), weight_decay=0)
sampler = Sampler("runs/clts.npz")
mdlrc = MDLRC(optimizer, "runs/mdlrc.npz")  # sets lr and beta1 before each optimizer.step()
rng = np.random.default_rng(0)

losses = []
for _ in range(steps):
    u = torch.rand(128)
    angle = 1.5 * math.pi * (1 + 2 * u)
    x0 = (0.2 + 0.8 * u)[:, None] * torch.stack([angle.cos(), angle.sin()], dim=1)
    timesteps, weights = sampler.sample(mdlrc.step, 128, rng)  # in place of torch.randint(0, 1000, (128,))
    t, weights = torch.from_numpy(timesteps), torch.from_numpy(weights).float()
    noise = torch.randn_like(x0)
    x = abar[t, None].sqrt() * x0 + (1 - abar[t, None]).sqrt() * noise
    prediction = model(torch.cat([x, t[:, None] / 1000], dim=1))
    loss = (weights * ((prediction - noise) ** 2).mean(dim=1)).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    losses.append(loss.item())
    if (len(losses) % (steps // 5)) == 0:
        group = optimizer.param_groups[0]
        print(f"step {len(losses)}: loss {np.mean(losses[-steps // 5:]):.3f}, lr {group['lr']:.2e}, beta1 {group['betas'][0]:.3f}")
