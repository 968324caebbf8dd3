"""Checks the exchange of pipelines between @dm/trainer and diffusers.

    DIFFUSERS_SRC=<diffusers>/src python tools/parity/pipeline_check.py sample <pipeline> <noise.npy> <samples.npy> <steps>
    DIFFUSERS_SRC=<diffusers>/src python tools/parity/pipeline_check.py write <folder>

`sample` loads a pipeline, replaces its scheduler by DDIMScheduler, and samples from the noise (float32 [N, H, W, C]).
Image i gets class i modulo the number of classes, as in `dm sample`. It prints the largest difference from the samples,
which are in [-1, 1], and fails above 1e-3. A pipeline without classes is called as a user would.

`write` saves pipelines to be imported: a sharded DDPMPipeline with DDIMScheduler, another one in half precision, and one
with the configuration of google/ddpm-cifar10-32 (a quarter of its channels, as in cifar_fixture.py).

Run by packages/trainer/src/interchange/pipeline.e2e.test.ts if DM_PYTHON is set.
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch
from reference_import import find_diffusers

find_diffusers()

import diffusers  # noqa: E402
from diffusers.pipelines.ddpm import pipeline_ddpm  # noqa: E402

LARGEST = 1e-3


def open_pipeline(folder: Path):
    index = json.loads((folder / "model_index.json").read_text())
    absent = {name: None for name, value in index.items() if value == [None, None]}
    name = index["_class_name"]
    pipeline = getattr(diffusers, name).from_pretrained(folder, local_files_only=True, **absent)
    assert type(pipeline).__name__ == name
    pipeline.set_progress_bar_config(disable=True)
    pipeline.scheduler = diffusers.DDIMScheduler.from_config(pipeline.scheduler.config)
    return pipeline


@torch.no_grad()
def sample(pipeline, noise: torch.Tensor, steps: int) -> torch.Tensor:
    """Noise [N, C, H, W] → images [N, C, H, W], nominally in [-1, 1]."""
    model = getattr(pipeline, "unet", None) or pipeline.transformer
    classes = model.config.get("num_class_embeds") or model.config.get("num_embeds_ada_norm")
    if classes is None:
        pipeline_ddpm.randn_tensor = lambda shape, **_: noise.reshape(shape)
        images = pipeline(batch_size=len(noise), num_inference_steps=steps, output_type="np").images
        return torch.from_numpy(images).permute(0, 3, 1, 2) * 2 - 1
    labels = torch.arange(len(noise)) % classes
    pipeline.scheduler.set_timesteps(steps)
    x = noise
    for t in pipeline.scheduler.timesteps:
        if model is getattr(pipeline, "unet", None):
            output = model(x, t, class_labels=labels).sample
        else:
            output = model(x, timestep=t.expand(len(x)), class_labels=labels).sample
        x = pipeline.scheduler.step(output, t, x).prev_sample
    return x


def check(folder: str, noise: str, samples: str, steps: str) -> None:
    start = torch.from_numpy(np.load(noise)).permute(0, 3, 1, 2)
    pipeline = open_pipeline(Path(folder))
    ours = np.load(samples)
    theirs = sample(pipeline, start, int(steps)).permute(0, 2, 3, 1).numpy()
    assert ours.shape == theirs.shape, (ours.shape, theirs.shape)
    assert ours.std() > 0.05, "the samples are almost constant"
    difference = float(np.abs(np.clip(ours, -1, 1) - np.clip(theirs, -1, 1)).max())
    kind = f"{type(pipeline).__name__}, {pipeline.scheduler.config.prediction_type}"
    print(f"{kind}: largest difference {difference:.1e}")
    assert difference <= LARGEST, difference


def write(folder: str) -> None:
    torch.manual_seed(0)
    unet = diffusers.UNet2DModel(
        sample_size=8,
        in_channels=1,
        out_channels=1,
        block_out_channels=(8, 16),
        down_block_types=("DownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "UpBlock2D"),
        layers_per_block=1,
        norm_num_groups=4,
        downsample_padding=0,
    )
    betas = {"beta_schedule": "scaled_linear", "beta_start": 0.001, "beta_end": 0.015}
    scheduler = diffusers.DDIMScheduler(prediction_type="sample", **betas)
    pipeline = diffusers.DDPMPipeline(unet, scheduler)
    pipeline.save_pretrained(f"{folder}/shards", max_shard_size="50KB")
    assert len(list(Path(f"{folder}/shards/unet").glob("*.safetensors"))) > 1
    pipeline.to(torch.float16).save_pretrained(f"{folder}/half")

    path = Path(__file__).resolve().parents[2] / "packages/trainer/src/interchange/fixtures/ddpm-cifar10.json"
    fixture = json.loads(path.read_text())
    unet = diffusers.UNet2DModel.from_config(fixture["model"])
    unet.conv_out.weight.data *= 0.03  # DDIM would multiply rounding errors, see cifar_fixture.py
    scheduler = diffusers.DDPMScheduler.from_config(fixture["scheduler"])
    diffusers.DDPMPipeline(unet, scheduler).save_pretrained(f"{folder}/cifar")


{"sample": check, "write": write}[sys.argv[1]](*sys.argv[2:])
