"""Reference outputs of torch.nn.functional.interpolate (bilinear, align_corners=False) for images from a closed
formula.

    python tools/extractors/resize_fixture.py

Writes packages/eval/src/extractors/fixtures/resize.safetensors: float32 [N, H, W, C] in [0, 255].
"""

from pathlib import Path

import torch
from formula import formula_images
from safetensors.torch import save_file

FOLDER = Path(__file__).resolve().parents[2] / "packages" / "eval" / "src" / "extractors" / "fixtures"

tensors = {}
for size, to in ((5, 13), (12, 7), (8, 8)):
    images = torch.from_numpy(formula_images(2, size)).permute(0, 3, 1, 2).float()
    resized = torch.nn.functional.interpolate(images, size=(to, to), mode="bilinear", align_corners=False)
    tensors[f"{size} to {to}"] = resized.permute(0, 2, 3, 1).contiguous()
save_file(tensors, FOLDER / "resize.safetensors", {"made by": f"tools/extractors/resize_fixture.py, PyTorch {torch.__version__}"})
