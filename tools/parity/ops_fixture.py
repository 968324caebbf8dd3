"""Reference values for @dm/ops: every case of packages/ops/src/testing/op-cases.ts in PyTorch, in float64.

    python tools/parity/ops_fixture.py     writes packages/ops/src/fixtures/pytorch.json; build @dm/ops first

The fixture contains for each case the case itself (so that a test detects changes to it), the result, and for each
gradient its norm and its dot products with two fixed vectors.
"""

import json
import math
import subprocess
from pathlib import Path

import torch
import torch.nn.functional as F

ROOT = Path(__file__).resolve().parents[2]
PRINT_CASES = "import('./packages/ops/dist/index.js').then((ops) => console.log(JSON.stringify(ops.opCases)))"


def case_values(shape, seed, range=1, shift=0):
    """As `caseValues` in op-cases.ts: rounded to float32, then converted to float64."""
    i = torch.arange(math.prod(shape), dtype=torch.int64)
    r = ((31 + 7 * seed) * i * i + 4801 * i + 1009 * seed) % 10007
    return (shift + range * (2 * r.double() / 10006 - 1)).float().double().reshape(shape)


def channels_first(x):
    return x.movedim(-1, 1)


def channels_last(x):
    return x.movedim(1, -1)


def apply(op, attrs, t):
    if op == "groupNorm":
        y = F.group_norm(channels_first(t["x"]), attrs["groups"], t["scale"], t["offset"], attrs["epsilon"])
        return channels_last(y)
    if op == "layerNorm":
        return F.layer_norm(t["x"], t["x"].shape[-1:], t.get("scale"), t.get("offset"), attrs["epsilon"])
    if op == "silu":
        return F.silu(t["x"])
    if op == "gelu":
        return F.gelu(t["x"], approximate=attrs["approximate"])
    if op == "conv2d":
        (top, bottom), (left, right) = attrs["pad"]
        x = F.pad(channels_first(t["x"]), (left, right, top, bottom))
        y = F.conv2d(x, t["filter"].permute(3, 2, 0, 1), t.get("bias"), stride=attrs["strides"])
        return channels_last(y)
    if op == "attention":
        return F.scaled_dot_product_attention(t["q"], t["k"], t["v"], scale=attrs["scale"])
    if op == "upsampleNearest":
        return channels_last(F.interpolate(channels_first(t["x"]), scale_factor=attrs["factor"], mode="nearest"))
    raise ValueError(f"no reference for {op}")


def rounded(values):
    return [float(f"{value:.9g}") for value in values]


def reference(case):
    tensors = {
        name: case_values(spec["shape"], k + 1, spec.get("range", 1), spec.get("shift", 0)).requires_grad_(True)
        for k, (name, spec) in enumerate(case["inputs"].items())
    }
    y = apply(case["op"], case["attrs"], tensors)
    y.backward(case_values(case["y"], 100))
    gradients = {}
    for name, tensor in tensors.items():
        products = [(tensor.grad * case_values(list(tensor.shape), seed)).sum().item() for seed in (200, 201)]
        gradients["d" + name] = {"norm": rounded([tensor.grad.norm().item()])[0], "products": rounded(products)}
    return {"case": case, "y": rounded(y.flatten().tolist()), "gradients": gradients}


cases = json.loads(subprocess.run(["node", "-e", PRINT_CASES], cwd=ROOT, check=True, capture_output=True).stdout)
fixture = {"torch": torch.__version__, "cases": [reference(case) for case in cases]}
target = ROOT / "packages/ops/src/fixtures/pytorch.json"
target.parent.mkdir(exist_ok=True)
target.write_text(json.dumps(fixture, ensure_ascii=False, separators=(",", ":")) + "\n")
