"""Loads denoisers exported by @dm/trainer with onnx and ONNX Runtime, and compares their outputs at each batch size.

    python tools/parity/onnx_check.py <folder>...

A folder contains model.onnx and check.safetensors: for each batch size n <n>/sample, <n>/timestep, <n>/class_labels (if
there are classes), and <n>/out_sample; and weights/<name> for each tensor of the state dict. The file must contain
equal weights (except for fixed filters), and outputs must agree to 1e-5 of the largest element. Run by
packages/trainer/src/interchange/onnx-denoiser.test.ts if DM_PYTHON is set.
"""

import os
import sys
from pathlib import Path

import numpy as np
import onnx
from safetensors.numpy import load_file

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # read on import
import onnxruntime



def check(folder: Path) -> str:
    path = str(folder / "model.onnx")
    onnx.checker.check_model(path, full_check=True)

    model = onnx.load(path)
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", 20)], model.opset_import
    assert {node.domain for node in model.graph.node} == {""}
    assert model.metadata_props, "no metadata"
    for value in [*model.graph.input, *model.graph.output]:
        assert value.type.tensor_type.shape.dim[0].dim_param == "batch", value

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    types = {"tensor(float)": np.float32, "tensor(int64)": np.int64}
    arrays = load_file(folder / "check.safetensors")
    held = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    for name in [name for name in arrays if name.startswith("weights/")]:
        weight = arrays.pop(name)
        # The filters of EDM's networks are buffers with fixed values, which the graph has as constants.
        if name.endswith("resample_filter"):
            continue
        np.testing.assert_array_equal(held[name.removeprefix("weights/")], weight)
    batches = sorted({int(name.split("/")[0]) for name in arrays})
    worst = 0.0
    for n in batches:
        feeds = {value.name: arrays[f"{n}/{value.name}"].astype(types[value.type]) for value in session.get_inputs()}
        (actual,) = session.run(["out_sample"], feeds)
        expected = arrays[f"{n}/out_sample"]
        assert actual.shape == expected.shape, (actual.shape, expected.shape)
        difference = float(np.abs(actual - expected).max() / np.abs(expected).max())
        assert difference <= 1e-5, f"batch {n}: {difference}"  # also refuses NaN, which max(worst, ...) would drop
        worst = max(worst, difference)
    return f"{folder.name}: batches {', '.join(map(str, batches))}, largest difference {worst:.1e}"


for argument in sys.argv[1:]:
    print(check(Path(argument)))
