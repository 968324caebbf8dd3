"""Trains one run of the experiment on a graphics card, with PyTorch and diffusers' UNet, and measures it.

    python train.py request.json

The request has the fields of `CardRequest` in src/run-card-trial.ts. Timesteps, their weights, learning rate, and momentum
come from the tables that `dm` writes. All random numbers are functions of seed and step, so they are the same for all
recipes, and a run that is continued draws what it would have drawn. Prints a line of JSON: {points, seconds, hasDiverged,
machine, versions}, or {unfinished: true, step} if the time was over or the parent process has ended; run it again to
continue. SIGTERM and SIGINT save a checkpoint, and exit with 143 and 130. The averaged weights of each measured step are kept, by the parameters' names.
"""

import hashlib
import json
import math
import os
import signal
import sys
import time
from pathlib import Path

PARENT = os.getppid()

import numpy as np  # noqa: E402
import torch  # noqa: E402

root = Path(__file__).resolve().parents[3]
sys.path[:0] = [str(root / "python"), str(root / "tools" / "parity")]
from dm_tables import MDLRC, Sampler  # noqa: E402
from reference_import import find_diffusers  # noqa: E402

SAVE_SECONDS = 300
# Streams of random numbers.
ORDER, FLIPS, TIMESTEPS = range(3)


class AdamW:
    """AdamW with the schedules of a table, and an average whose half-life is a share of the images seen."""

    def __init__(self, model, request):
        self.params, self.share = list(model.parameters()), request["emaShare"]
        self.optimizer = torch.optim.AdamW(
            self.params, lr=request["lr"], betas=(0.9, 0.999), eps=1e-8, weight_decay=0, fused=True
        )
        self.schedules = MDLRC(self.optimizer, request["optimizerTable"])
        self.average = [p.detach().clone() for p in self.params]

    def update(self, step):
        self.schedules.step = step
        self.optimizer.step()
        decay = 0.5 ** (1 / (self.share * (step + 1)))
        with torch.no_grad():
            torch._foreach_lerp_(self.average, self.params, 1 - decay)

    def averaged(self):
        return self.average

    def training(self):
        pass

    def state(self):
        return {"optimizer": self.optimizer.state_dict(), "average": self.average}

    def load(self, state):
        self.optimizer.load_state_dict(state["optimizer"])
        self.average = state["average"]


class ScheduleFree:
    """Schedule-free AdamW of https://github.com/facebookresearch/schedule_free, with its own average."""

    def __init__(self, model, request):
        from schedulefree import AdamWScheduleFree

        self.params = list(model.parameters())
        self.optimizer = AdamWScheduleFree(
            self.params, lr=request["lr"], betas=(0.9, 0.999), weight_decay=0, warmup_steps=request["warmup"]
        )
        self.optimizer.train()

    def update(self, _step):
        self.optimizer.step()

    def averaged(self):
        self.optimizer.eval()
        return self.params

    def training(self):
        self.optimizer.train()

    def state(self):
        return {"optimizer": self.optimizer.state_dict()}

    def load(self, state):
        self.optimizer.load_state_dict(state["optimizer"])


def identity(request):
    """A hash of what determines the weights, so that a checkpoint is not continued by another run."""
    free = ("seconds", "out", "device", "threads", "steps", "measureAt")
    content = hashlib.sha256(json.dumps({k: v for k, v in request.items() if k not in free}, sort_keys=True).encode())
    for table in ("curriculumTable", "optimizerTable"):
        if request[table] is not None:
            content.update(Path(request[table]).read_bytes())
    return content.hexdigest()


def batch_of(images, request, step, device):
    """x0 [N, C, H, W] in [-1, 1]: every image once in each epoch, half of them flipped."""
    seed, size, count = request["seed"], request["batchSize"], len(images)
    positions = step * size + np.arange(size)
    orders = {e: np.random.default_rng([seed, ORDER, e]).permutation(count) for e in np.unique(positions // count)}
    index = np.array([orders[p // count][p % count] for p in positions])
    chosen = images[torch.from_numpy(index).to(device)].float().permute(0, 3, 1, 2) / 127.5 - 1
    flips = torch.from_numpy(np.random.default_rng([seed, FLIPS, step]).random(size) < 0.5).to(device)
    return torch.where(flips[:, None, None, None], chosen.flip(3), chosen)


def normal(shape, device, *key):
    """Standard normal numbers that are a function of `key`, generated on the device."""
    seed = int(np.random.SeedSequence(key).generate_state(1, np.uint64)[0]) >> 1
    return torch.randn(shape, generator=torch.Generator(device).manual_seed(seed), device=device)


def noised(x0, noise, t, alphas_cumprod):
    a = alphas_cumprod[t][:, None, None, None]
    return a.sqrt() * x0 + (1 - a).sqrt() * noise


@torch.no_grad()
def losses(model, weights, request, alphas_cumprod, device):
    """Mean squared error of epsilon in each range of log SNR, on fixed images, noise, and timesteps."""
    own = [p.detach().clone() for p in model.parameters()]
    for p, w in zip(model.parameters(), weights):
        p.copy_(w)
    model.eval()
    data = np.load(request["validation"])
    images, levels, rows = data["images"], data["levels"], request["batchSize"]
    draws = levels.shape[1] // len(images)
    sums = np.zeros(len(levels))
    for draw in range(draws):
        for first in range(0, len(images), rows):
            x0 = torch.from_numpy(images[first : first + rows]).to(device).permute(0, 3, 1, 2)
            noise = normal(x0.shape, device, 0, draw, first)
            at = draw * len(images) + first
            for bucket, ts in enumerate(levels):
                t = torch.from_numpy(ts[at : at + len(x0)]).long().to(device)
                error = model(noised(x0, noise, t, alphas_cumprod), t, return_dict=False)[0] - noise
                sums[bucket] += error.double().square().mean(dim=(1, 2, 3)).sum().item()
    for p, w in zip(model.parameters(), own):
        p.copy_(w)
    return (sums / (draws * len(images))).tolist()


def lock(folder):
    """Held until this process ends, so that no other one writes the same checkpoint."""
    try:
        import fcntl
    except ImportError:  # Windows
        return None
    file = (folder / "lock").open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise RuntimeError(f"another process trains in {folder}") from None
    return file


def run(request):
    folder = Path(request["out"]) / "checkpoints"
    folder.mkdir(exist_ok=True)
    held, received = lock(folder), []
    for one in (signal.SIGTERM, signal.SIGINT):
        signal.signal(one, lambda number, _frame: received.append(number))
    try:
        return train(request, folder, received)
    finally:
        if held is not None:
            held.close()


def train(request, folder, received):
    began = time.monotonic()
    device = torch.device(request["device"])
    find_diffusers()
    import diffusers

    torch.set_num_threads(request["threads"])
    torch.manual_seed(request["seed"])
    model = diffusers.UNet2DModel(**request["unet"]).to(device)
    parameters = sum(p.numel() for p in model.parameters())
    if parameters != request["parameters"]:
        raise ValueError(f"diffusers' UNet has {parameters} parameters, the project's {request['parameters']}")
    optimizer = (ScheduleFree if request["optimizer"] == "scheduleFreeAdamW" else AdamW)(model, request)
    sampler = Sampler(request["curriculumTable"], stratified=True)
    alphas_cumprod = torch.tensor(request["alphasCumprod"], dtype=torch.float32, device=device)
    images = torch.from_numpy(np.load(request["images"])).to(device)
    checkpoint = folder / "latest.pt"
    state = {"step": 0, "points": [], "seconds": 0.0}
    if checkpoint.exists():
        saved = torch.load(checkpoint, map_location=device, weights_only=True)
        if saved["identity"] != identity(request):
            raise ValueError(f"{checkpoint} is of another run: remove it")
        model.load_state_dict(saved["model"])
        optimizer.load(saved["optimizer"])
        state = saved["state"]
    before, last_save = state["seconds"], began

    def save_as(path, content):
        part = path.with_suffix(".part")
        torch.save(content, part)
        part.replace(path)

    def save():
        nonlocal last_save
        last_save = time.monotonic()
        state["seconds"] = before + last_save - began
        content = {"model": model.state_dict(), "optimizer": optimizer.state(), "state": state}
        save_as(checkpoint, {**content, "identity": identity(request)})


    diverged = False
    while state["step"] < request["steps"]:
        step = state["step"]
        if received or os.getppid() != PARENT or time.monotonic() - began > request["seconds"]:
            save()
            if received:
                print(f"stopped after step {step}; the checkpoint is saved", file=sys.stderr)
                sys.exit(128 + received[0])
            return {"unfinished": True, "step": step}
        x0 = batch_of(images, request, step, device)
        noise = normal(x0.shape, device, request["seed"], step)
        t, weights = sampler.sample(step, len(x0), np.random.default_rng([request["seed"], TIMESTEPS, step]))
        t, weights = torch.from_numpy(t).to(device), torch.from_numpy(weights).float().to(device)
        model.train()
        predicted = model(noised(x0, noise, t, alphas_cumprod), t, return_dict=False)[0]
        loss = (weights * (predicted - noise).square().mean(dim=(1, 2, 3))).mean()
        model.zero_grad(set_to_none=True)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), request["maxGradNorm"])
        if not math.isfinite(norm.item()):
            diverged = True
            break
        optimizer.update(step)
        state["step"] = step + 1
        if state["step"] in request["measureAt"]:
            averaged = optimizer.averaged()
            buckets = losses(model, averaged, request, alphas_cumprod, device)
            weights = {name: w.detach().cpu().clone() for (name, _), w in zip(model.named_parameters(), averaged)}
            optimizer.training()
            if not all(map(math.isfinite, buckets)):
                diverged = True
                break
            kept = folder / f"step-{state['step']:06d}"
            kept.mkdir(exist_ok=True)
            save_as(kept / "ema.pt", weights)
            state["points"] = [*state["points"], {"step": state["step"], "buckets": buckets}]
            save()
        elif time.monotonic() - last_save > SAVE_SECONDS:
            save()
    return {
        "points": state["points"],
        "seconds": before + time.monotonic() - began,
        "hasDiverged": diverged,
        "machine": torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU",
        "versions": {"torch": torch.__version__, "diffusers": diffusers.__version__},
    }


if __name__ == "__main__":
    print(json.dumps(run(json.loads(Path(sys.argv[1]).read_text("utf-8")))))
