"""Runs python/dm_tables.py for the tests of the tables that `dm` writes. Prints one JSON object.

    python tools/parity/tables_check.py sample <table> <u.npy> <prediction or none> <step>...
    python tools/parity/tables_check.py histogram <table> <count> <step>...
    python tools/parity/tables_check.py draws <table> <batch size> <steps> <seed>
    python tools/parity/tables_check.py method <clts table> <mdlrc table> <steps> <lr>
    python tools/parity/tables_check.py optimizer <table> <AdamW | SGD | Muon> <steps>
    DIFFUSERS_SRC=<diffusers>/src python tools/parity/tables_check.py train <curriculum> <optimizer> <folder> <seed>

`optimizer` and `train` need torch. `train` runs diffusers' own
examples/unconditional_image_generation/train_unconditional.py on generated images for 20 steps, and needs accelerate,
datasets, tensorboard, torchvision and Pillow too. The script is changed only by the three lines in HOOK.
"""

import json
import os
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "python"))
import check_method  # noqa: E402
import dm_tables  # noqa: E402

OPTIMIZER_LINE = "    # Get the datasets: you can either provide your own training and evaluation files"
HOOK = """\
    from dm_tables import MDLRC, Sampler, ScheduleSampler, hook_randint
    mdlrc = MDLRC(optimizer, {optimizer!r})
    hook_randint(ScheduleSampler(Sampler({curriculum!r}), step=lambda: mdlrc.step, seed={seed}))
"""


def sample(table, u, prediction, *steps):
    sampler = dm_tables.Sampler(table, None if prediction == "none" else prediction)
    rows = [sampler.at(int(step), np.load(u)) for step in steps]
    return {"timesteps": [t.tolist() for t, _ in rows], "weights": [w.tolist() for _, w in rows]}


def histogram(table, count, *steps):
    """Counts of each timestep, of independent and of stratified draws."""
    plain, stratified = dm_tables.Sampler(table), dm_tables.Sampler(table, stratified=True)
    rng = np.random.default_rng(7)
    counts = [
        [np.bincount(s.sample(int(step), int(count), rng)[0], minlength=s.num_timesteps).tolist() for step in steps]
        for s in (plain, stratified)
    ]
    return {"plain": counts[0], "stratified": counts[1]}


def draws(table, batch_size, steps, seed):
    """The timesteps of a run."""
    sampler, rng = dm_tables.Sampler(table), np.random.default_rng(int(seed))
    return [sampler.sample(step, int(batch_size), rng)[0].tolist() for step in range(int(steps))]


def method(clts, mdlrc, steps, lr):
    """What python/check_method.py says about the tables, and about the slips of public implementations."""
    steps, lr, rng = int(steps), float(lr), np.random.default_rng(3)
    t = np.arange(1000)
    share = lambda step: 0.8 * step / steps

    def slipped_gaussian(step, n):  # divides by 2, and then multiplies by sigma**2
        g = np.exp(-((t / 1000 - 0.3) ** 2) / 2 * 0.2**2)
        return rng.choice(1000, n, p=(1 - share(step)) / 1000 + share(step) * g / g.sum())

    def mixed_samples(step, n):  # mixes the draws instead of the densities
        normal = np.clip(rng.normal(300, 200, n), 0, 999)
        return ((1 - share(step)) * rng.integers(0, 1000, n) + share(step) * normal).astype(int)

    table = dm_tables.read_table(mdlrc, "dm-optimizer-table")
    sampler = dm_tables.Sampler(clts)
    cases = {
        "clts": lambda: check_method.check_clts(lambda step, n: sampler.sample(step, n, rng)[0], steps),
        "clts: slipped Gaussian": lambda: check_method.check_clts(slipped_gaussian, steps),
        "clts: mixed samples": lambda: check_method.check_clts(mixed_samples, steps),
        "mdlrc": lambda: check_method.check_mdlrc(lambda k: (table["lr"][k], table["beta1"][k]), steps, lr),
        "mdlrc: without compensation": lambda: check_method.check_mdlrc(lambda k: (lr, table["beta1"][k]), steps, lr),
        "mdlrc: a factor per step": lambda: check_method.check_mdlrc(
            lambda k: (lr, max(0.9 * 0.9995**k, 0.4)), steps, lr
        ),
        "minSnr: epsilon": lambda: check_method.check_min_snr(lambda snr: min(snr, 5) / snr),
        "minSnr: v": lambda: check_method.check_min_snr(lambda snr: min(snr, 5) / (snr + 1), "v"),
        "minSnr: 5 / (1 + SNR)": lambda: check_method.check_min_snr(lambda snr: 5 / (1 + snr)),
    }
    found = {}
    for name, check in cases.items():
        try:
            check()
            found[name] = None
        except AssertionError as error:
            found[name] = str(error)
    return found


def optimizer(table, name, steps):
    """lr and beta1 of each step, although a scheduler sets others; and one of the weights after each step."""
    import torch

    options = {"AdamW": {"betas": (0.5, 0.99)}, "SGD": {"momentum": 0.1}, "Muon": {"momentum": 0.1}}[name]
    weight = torch.nn.Parameter(torch.ones(3, 3))
    optimizer = getattr(torch.optim, name)([weight], lr=7.0, **options)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.5**step)
    mdlrc = dm_tables.MDLRC(optimizer, table)
    seen, weights = [], []
    optimizer.register_step_pre_hook(lambda inner, *_: seen.append(dict(inner.param_groups[0])))
    for _ in range(int(steps)):
        optimizer.zero_grad()
        (weight**2).sum().backward()
        optimizer.step()
        weights.append(weight[0, 0].item())
        scheduler.step()
    return {
        "lr": [group["lr"] for group in seen],
        "beta1": [group["betas"][0] if "betas" in group else group["momentum"] for group in seen],
        "beta2": [group["betas"][1] for group in seen if "betas" in group],
        "dampening": [group["dampening"] for group in seen if "dampening" in group],
        "weights": weights,
        "step": mdlrc.step,
    }


def train(curriculum, optimizer, folder, seed):
    folder = Path(folder)
    from reference_import import find_diffusers

    find_diffusers()
    import torch
    from PIL import Image
    from torch.optim.optimizer import register_optimizer_step_post_hook

    images = folder / "images"
    images.mkdir(parents=True)
    rng = np.random.default_rng(3)
    for n in range(40):  # bright disks on a dark ground
        y, x = np.mgrid[:16, :16]
        disk = (y - rng.integers(5, 11)) ** 2 + (x - rng.integers(5, 11)) ** 2 < rng.integers(9, 25)
        Image.fromarray(np.repeat(disk[..., None] * np.uint8(255), 3, 2)).save(images / f"{n}.png")
    model = {
        "_class_name": "UNet2DModel", "sample_size": 16, "in_channels": 3, "out_channels": 3, "layers_per_block": 1,
        "block_out_channels": [16, 32], "norm_num_groups": 8,
        "down_block_types": ["DownBlock2D", "DownBlock2D"], "up_block_types": ["UpBlock2D", "UpBlock2D"],
    }
    (folder / "model.json").write_text(json.dumps(model))

    example = Path(os.environ["DIFFUSERS_SRC"]).parent / "examples/unconditional_image_generation/train_unconditional.py"
    source = example.read_text()
    assert source.count(OPTIMIZER_LINE) == 1
    hook = HOOK.format(curriculum=str(curriculum), optimizer=str(optimizer), seed=int(seed))
    script = folder / "train_unconditional.py"
    script.write_text(source.replace(OPTIMIZER_LINE, hook + OPTIMIZER_LINE))

    # What the script's steps used: timesteps, losses, and the optimizer's settings.
    seen = {"timesteps": [], "losses": [], "lr": [], "beta1": []}
    from diffusers import DDPMScheduler

    add_noise, mse_loss = DDPMScheduler.add_noise, torch.nn.functional.mse_loss

    def noting_add_noise(self, x, noise, timesteps):
        seen["timesteps"].append(timesteps.tolist())
        return add_noise(self, x, noise, timesteps)

    def noting_mse_loss(*args, **options):
        loss = mse_loss(*args, **options)
        seen["losses"].append(loss.item())
        return loss

    def note_settings(inner, *_):
        group = inner.param_groups[0]
        seen["lr"].append(group["lr"])
        seen["beta1"].append(group["betas"][0])

    DDPMScheduler.add_noise, torch.nn.functional.mse_loss = noting_add_noise, noting_mse_loss
    register_optimizer_step_post_hook(note_settings)
    torch.manual_seed(0)
    sys.argv = [
        str(script), "--train_data_dir", str(images), "--model_config_name_or_path", str(folder / "model.json"),
        "--output_dir", str(folder / "out"), "--cache_dir", str(folder / "cache"), "--resolution", "16",
        "--train_batch_size", "8", "--num_epochs", "4", "--save_images_epochs", "100", "--save_model_epochs", "100",
        "--eval_batch_size", "1", "--ddpm_num_inference_steps", "2", "--learning_rate", "0.5",
        "--lr_warmup_steps", "500", "--logger", "tensorboard",
    ]  # fmt: skip
    namespace = {"__name__": "train_unconditional", "__file__": str(script)}
    exec(compile(script.read_text(), str(script), "exec"), namespace)
    namespace["main"](namespace["parse_args"]())
    return seen


if __name__ == "__main__":
    commands = {command.__name__: command for command in (sample, histogram, draws, method, optimizer, train)}
    print(json.dumps(commands[sys.argv[1]](*sys.argv[2:])))
