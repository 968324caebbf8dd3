"""Reference outputs of pytorch-fid's InceptionV3 with weights from a closed formula.

    PYTORCH_FID_SRC=<pytorch-fid>/src python tools/extractors/inception_fixture.py

Needs torch, torchvision, and safetensors. mseitzer/pytorch-fid is imported from PYTORCH_FID_SRC, or as installed.

Writes packages/eval/src/extractors/fixtures/inception.safetensors, for two images of 32x32 pixels resized by
pytorch-fid: the 2048 features, and the norm and two projections of each tap, of the logits, and of the spatial
features.
"""

import os
import sys
from pathlib import Path

import torch
from formula import formula_images
from safetensors.torch import save_file

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools" / "parity"))

from closed_formula import hashed  # noqa: E402
sys.path.append(str(ROOT / "tools" / "parity"))
from reference_import import accept_torchvision  # noqa: E402

accept_torchvision()
if os.environ.get("PYTORCH_FID_SRC"):
    sys.path.insert(0, os.environ["PYTORCH_FID_SRC"])
from pytorch_fid import inception  # noqa: E402


def weights(model):
    """Sets the weights by the formula: gain sqrt(2) for the ReLUs, and nontrivial batch norm statistics."""
    for name, p in model.state_dict().items():
        if name.endswith("num_batches_tracked"):
            continue
        u = hashed(name, tuple(p.shape))
        if p.dim() > 1:
            values = (6 / p[0].numel()) ** 0.5 * u
        elif name.endswith("bn.weight") or name.endswith("running_var"):
            values = 1 + 0.2 * u
        else:
            values = 0.1 * u
        p.copy_(torch.from_numpy(values).float())


def prints(t, name):
    """Norm and two projections of each image's tensor in NHWC order: [N, 3]."""
    t = (t.permute(0, 2, 3, 1) if t.dim() == 4 else t).double()
    u = [torch.from_numpy(hashed(f"projection {k} {name}", tuple(t.shape[1:]))) for k in (0, 1)]
    return torch.stack([torch.stack([x.norm(), (x * u[0]).sum(), (x * u[1]).sum()]) for x in t]).float()


@torch.no_grad()
def main():
    inception.load_state_dict_from_url = lambda *_, **__: {}
    load = torch.nn.Module.load_state_dict
    torch.nn.Module.load_state_dict = lambda self, state, *a, **k: None if not state else load(self, state, *a, **k)
    kept = {}
    build = inception.fid_inception_v3
    inception.fid_inception_v3 = lambda: kept.setdefault("network", build())
    model = inception.InceptionV3([0, 1, 2, 3]).eval()
    network = kept["network"].eval()
    weights(network)

    network.Mixed_6d.branch1x1.register_forward_hook(lambda _m, _i, y: kept.__setitem__("mixed6", y))
    images = torch.from_numpy(formula_images(2, 32)).permute(0, 3, 1, 2).float() / 255
    taps = model(images)
    features = taps[3].flatten(1)
    tensors = {f"tap {t.shape[1]}": prints(t if t.shape[2] > 1 else t.flatten(1), f"tap {t.shape[1]}") for t in taps}
    tensors["features"] = features
    tensors["logits"] = prints(features @ network.fc.weight.T, "logits")
    tensors["spatial"] = prints(kept["mixed6"][:, :7].permute(0, 2, 3, 1).flatten(1), "spatial")
    for name, t in tensors.items():
        print(name, tuple(t.shape), t.flatten()[:3].tolist())
    path = ROOT / "packages" / "eval" / "src" / "extractors" / "fixtures" / "inception.safetensors"
    save_file(tensors, path, {"made by": f"tools/extractors/inception_fixture.py, PyTorch {torch.__version__}"})
    path.chmod(0o644)


if __name__ == "__main__":
    main()
