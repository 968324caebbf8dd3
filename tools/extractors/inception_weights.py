"""Converts pytorch-fid's Inception weights to safetensors, for @dm/eval.

    python tools/extractors/inception_weights.py pt_inception-2015-12-05-6726825d.pth inception.safetensors

Needs torch and safetensors. Download the file from https://github.com/mseitzer/pytorch-fid/releases; its SHA-256 must
start with the digits at the end of its name. Tensor names and values are unchanged. Usage:

    dm eval <a> <b> --extractor inception --weights inception.safetensors
"""

import hashlib
import sys
from pathlib import Path

PREFIX = "6726825d"


def convert(source, target):
    content = Path(source).read_bytes()
    sha256 = hashlib.sha256(content).hexdigest()
    if not sha256.startswith(PREFIX):
        raise SystemExit(f"{source} has SHA-256 {sha256}, expected {PREFIX}...: it is not pytorch-fid's file.")

    import torch
    from safetensors.torch import save_file

    state = torch.load(source, map_location="cpu", weights_only=True)
    tensors = {name: t.float().contiguous() for name, t in state.items() if not name.endswith("num_batches_tracked")}
    save_file(tensors, target, {"format": "pt", "source": Path(source).name, "source_sha256": sha256})
    print(f"{target}: {len(tensors)} tensors, SHA-256 {hashlib.sha256(Path(target).read_bytes()).hexdigest()}")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    convert(*sys.argv[1:])
