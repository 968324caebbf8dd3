"""The reference model of a case, with the closed formula's weights. Exits with code 3 if it is not installed."""

import os
import shutil
import sys
from pathlib import Path

NOT_INSTALLED = 3


def missing(reason):
    """Exits; the benchmark then reports this contender as skipped, with the reason."""
    print(reason, file=sys.stderr)
    sys.exit(NOT_INSTALLED)


def load(case):
    """(module, call, versions): `call(module, x, t, labels)` returns the prediction, x is [N, C, H, W]."""
    try:
        import torch

        sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "parity"))
        from reference_import import accept_torchvision, find_diffusers

        if case["model"] == "DiT":
            if not os.environ.get("DIT_SRC"):
                missing("facebookresearch/DiT is not installed; set DIT_SRC to a checkout of it")
            accept_torchvision()
            sys.path.insert(0, os.environ["DIT_SRC"])
            import timm
            from models import DiT

            module, versions = DiT(**case["config"]), {"timm": timm.__version__}

            def call(module, x, t, labels):
                return module(x, t, labels)
        else:
            find_diffusers()
            import diffusers

            module, versions = diffusers.UNet2DModel(**case["config"]), {"diffusers": diffusers.__version__}

            def call(module, x, t, labels):
                return module(x, t, return_dict=False)[0]

        from formula import fill
    except ImportError as error:
        missing(f"not installed: {error}")
    fill(module)
    return module, call, {"torch": torch.__version__, **versions}


def shape_of(case):
    """Shape [N, H, W, C] of the case's images."""
    config = case["config"]
    size = config.get("sample_size", config.get("input_size"))
    return case["batch"], size, size, config["in_channels"]


def compiled(module, enabled):
    """The module, compiled with torch.compile if `enabled`."""
    import torch

    if not enabled:
        return module
    compiler = os.environ.get("CXX", "g++")
    if shutil.which(compiler) is None:
        missing(f"torch.compile needs a C++ compiler; {compiler} was not found (set CXX)")
    return torch.compile(module, dynamic=False)
