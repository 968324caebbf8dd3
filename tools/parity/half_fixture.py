"""Reference outputs and gradients in half precision for some of the model cases of @dm/models.

    DIFFUSERS_SRC=<diffusers>/src python tools/parity/half_fixture.py

Writes tools/conformance/src/fixtures/half.safetensors: like models_fixture.py, whose arguments it takes, but for each
precision. PyTorch computes the models in float32, with the rounding that `autocast` of @dm/ops emulates: the operands and
the result of each matrix product and convolution, and of their gradients, are rounded to float16 or bfloat16. The bias of
a linear layer is added in float32, and the gradient of a bias is a sum in float32. The bias of a convolution is part of
it, but the patches of a DiT are embedded by a linear layer here.
"""

from pathlib import Path

import models_fixture
import torch
from safetensors.torch import save_file
from torch.utils._python_dispatch import TorchDispatchMode

CASES = ("unet with scale and shift", "dit of diffusers")
PRECISIONS = {"f16": torch.float16, "bf16": torch.bfloat16}
OUT = Path(__file__).resolve().parents[1] / "conformance" / "src" / "fixtures" / "half.safetensors"
aten = torch.ops.aten


class Rounding(TorchDispatchMode):
    """Rounds the products of all that runs in it, also in the backward pass."""

    def __init__(self, dtype, has_linear_patches):
        super().__init__()
        self.dtype, self.has_linear_patches, self.products = dtype, has_linear_patches, 0

    def round(self, value):
        is_tensor = isinstance(value, torch.Tensor) and value.is_floating_point()
        return value.to(self.dtype).float() if is_tensor else value

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        op = func.overloadpacket
        if op not in (aten.mm, aten.bmm, aten.addmm, aten.baddbmm, aten.convolution, aten.convolution_backward):
            assert not any(part in func.name() for part in ("mm", "conv", "attention", "linear")), func.name()
            return func(*args, **(kwargs or {}))
        self.products += 1
        assert not kwargs, kwargs
        if op in (aten.addmm, aten.baddbmm):
            bias, a, b = args
            return bias + self.round(aten.matmul(self.round(a), self.round(b)))
        if op is aten.convolution and self.has_linear_patches:
            x, weight, bias, *rest = args
            return self.round(func(self.round(x), self.round(weight), None, *rest)) + bias.view(-1, 1, 1)
        results = func(*[self.round(value) for value in args])
        if op is not aten.convolution_backward:
            return self.round(results)
        dx, dw, _ = results
        return self.round(dx), self.round(dw), args[0].sum((0, 2, 3))


def attention(q, k, v, attn_mask=None, dropout_p=0.0, is_causal=False, scale=None, **_):
    """Its definition, so that its products can be rounded."""
    assert attn_mask is None and dropout_p == 0.0 and not is_causal
    factor = q.shape[-1] ** -0.5 if scale is None else scale
    return torch.softmax(q @ (k * factor).transpose(-2, -1), -1) @ v


def main():
    torch.nn.functional.scaled_dot_product_attention = attention
    cases = {case["name"]: case for case in models_fixture.read_cases()}
    tensors = {}
    for precision, dtype in PRECISIONS.items():
        for name in CASES:
            with Rounding(dtype, cases[name]["model"].startswith("DiT")) as mode:
                y, gradient, _ = models_fixture.run(cases[name])
            assert mode.products > 20
            tensors[f"{precision}/{name}/y"], tensors[f"{precision}/{name}/gradient"] = y, gradient
    OUT.parent.mkdir(exist_ok=True)
    save_file(tensors, OUT, {"torch": torch.__version__})


if __name__ == "__main__":
    main()
