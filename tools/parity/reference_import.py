"""Makes the reference implementations importable. Import this before diffusers, timm or what needs them."""

import os
import sys


def accept_torchvision() -> None:
    """Lets a torchvision that was built for another torch be imported.

    Such a one fails on its operators, which the references need for no more than that import: they are declared, without
    an implementation. A torchvision that fits, or none at all, is left as it is.
    """
    try:
        import torchvision  # noqa: F401
    except ImportError:
        return
    except RuntimeError:
        import torch

        for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
            del sys.modules[name]
        # Kept in the module: the declarations go when the library object goes.
        global _library
        _library = torch.library.Library("torchvision", "DEF")
        for name in ("nms", "qnms"):
            _library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")


def find_diffusers() -> None:
    """diffusers from the folder that DIFFUSERS_SRC names, else from where it is installed."""
    accept_torchvision()
    if os.environ.get("DIFFUSERS_SRC"):
        sys.path.insert(0, os.environ["DIFFUSERS_SRC"])
