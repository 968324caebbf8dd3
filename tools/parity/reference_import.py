"""Makes the reference implementations importable. Import this before diffusers, timm, or anything that needs them."""

import os
import sys


def accept_torchvision() -> None:
    """Makes a torchvision that was built for another version of torch importable.

    Its import fails because its operators are missing. The references never call them, so this declares them without an
    implementation. Does nothing if torchvision is compatible or not installed.
    """
    try:
        import torchvision  # noqa: F401
    except ImportError:
        return
    except RuntimeError:
        import torch

        for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
            del sys.modules[name]
        # A global, since the declarations are removed when the library object is deleted.
        global _library
        _library = torch.library.Library("torchvision", "DEF")
        for name in ("nms", "qnms"):
            _library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")


def find_diffusers() -> None:
    """Makes diffusers importable from the folder DIFFUSERS_SRC; without it, the installed diffusers is used."""
    accept_torchvision()
    if os.environ.get("DIFFUSERS_SRC"):
        sys.path.insert(0, os.environ["DIFFUSERS_SRC"])
