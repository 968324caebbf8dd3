"""Times a training step in PyTorch.

Reads a JSON object from standard input: {case, optimizer, device, tf32, layout, compile, threads, warmup, steps,
seconds, autocast, cudaGraph}; the device is "cpu" by default. `autocast` is a type, such as "bfloat16"; with
`cudaGraph`, the step is replayed from a CUDA graph. Prints a line of JSON: {ms, firstMs, check, parameters, peakMb,
cpuSeconds, versions}, on a GPU also peakDeviceMb. Exits with code 3 and a one-line reason if PyTorch or the reference
model is not installed.
"""

import json
import sys

from repeat import repeat
from torch_models import compiled, load, shape_of


def measure(request, loaded):
    """Timing of one training step. `loaded` is the result of `load`, whose module is changed."""
    import torch
    from formula import batch_of
    from torch_device import half_precision, pinned, prepare, select_device, to_device
    from torch_step import captured_step, training_step

    device = select_device(request)
    module, call, versions = loaded
    case = request["case"]
    torch.set_num_threads(request["threads"])
    host = batch_of(shape_of(case), case["config"].get("num_classes", 0), 0)
    module, (host["images"], host["noise"]) = prepare(
        module.train(), [host["images"], host["noise"]], request["layout"], device
    )
    host = pinned(host, device)
    is_graph = request.get("cudaGraph", False)
    if is_graph and device.name == "cpu":
        raise RuntimeError("CUDA graphs need a GPU")
    step, _ = training_step(
        module,
        compiled(module, request["compile"]),
        call,
        request["optimizer"],
        lambda: half_precision(request, device),
        is_graph,
    )
    losses = []
    # As in train.mjs, the batch is copied to the device in each step; reading the loss waits for the device.
    if is_graph:
        replayed = captured_step(step, host, lambda batch: to_device(batch, device))
        times = repeat(lambda: losses.append(replayed(host)[0]), request)
    else:
        times = repeat(lambda: losses.append(step(to_device(host, device))[0]), request)
    return device.result(times, losses[0], module, request, versions)


if __name__ == "__main__":
    task = json.load(sys.stdin)
    print(json.dumps(measure(task, load(task["case"]))))
