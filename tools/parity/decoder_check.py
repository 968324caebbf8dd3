"""Checks that `dm sample --decoder` decodes latents as diffusers' AutoencoderKL does.

    DIFFUSERS_SRC=<diffusers>/src python tools/parity/decoder_check.py write <decoder.onnx>
    DIFFUSERS_SRC=<diffusers>/src python tools/parity/decoder_check.py check <latents.npz> <images.npy> <scale>

`write` exports the decoder of a small AutoencoderKL with random weights, with the names that Optimum uses. `check`
decodes latents [N, 4, h, w], divided by the scale, with the same weights, and compares them with images [N, H, W, 3]. It
prints the largest difference and fails above 1e-4.

Run by packages/trainer/src/sampling/decoder.test.ts if DM_PYTHON is set.
"""

import sys

import numpy as np
import torch
from reference_import import find_diffusers

find_diffusers()

from diffusers import AutoencoderKL  # noqa: E402


def autoencoder():
    torch.manual_seed(0)
    return AutoencoderKL(
        block_out_channels=(32, 32),
        down_block_types=("DownEncoderBlock2D", "DownEncoderBlock2D"),
        up_block_types=("UpDecoderBlock2D", "UpDecoderBlock2D"),
        latent_channels=4,
        norm_num_groups=8,
    ).eval()


class Decoder(torch.nn.Module):
    def __init__(self, vae):
        super().__init__()
        self.vae = vae

    def forward(self, latent_sample):
        return self.vae.decode(latent_sample, return_dict=False)[0]


def write(path: str) -> None:
    sizes = {0: "batch", 2: "height", 3: "width"}
    torch.onnx.export(
        Decoder(autoencoder()),
        (torch.randn(2, 4, 8, 8),),
        path,
        input_names=["latent_sample"],
        output_names=["sample"],
        dynamic_axes={"latent_sample": sizes, "sample": sizes},
        dynamo=False,
    )


@torch.no_grad()
def check(latents: str, images: str, scale: str) -> None:
    given = torch.from_numpy(np.load(latents)["arr_0"]) / float(scale)
    theirs = autoencoder().decode(given, return_dict=False)[0].permute(0, 2, 3, 1).numpy()
    ours = np.load(images)
    assert ours.shape == theirs.shape, (ours.shape, theirs.shape)
    assert theirs.std() > 0.01, "the images are almost constant"
    difference = float(np.abs(ours - theirs).max())
    print(f"{list(ours.shape)}: largest difference {difference:.1e}")
    assert difference <= 1e-4, difference


{"write": write, "check": check}[sys.argv[1]](*sys.argv[2:])
