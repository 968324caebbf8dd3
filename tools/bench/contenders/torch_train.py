"""Times a training step in PyTorch.

Reads a JSON object from standard input: {case, optimizer, layout, compile, threads, warmup, steps, seconds}. Prints a
line of JSON: {ms, firstMs, check, parameters, peakMb, cpuSeconds, versions}. Exits with code 3 and a one-line reason if
PyTorch or the reference model is not installed.
"""

import json
import sys

from repeat import cpu_seconds, peak_mb, repeat
from torch_models import compiled, load, prepare, shape_of

request = json.load(sys.stdin)
case = request["case"]
module, call, versions = load(case)

import torch  # noqa: E402
from formula import batch_of  # noqa: E402
from torch_step import training_step  # noqa: E402

torch.set_num_threads(request["threads"])
batch = batch_of(shape_of(case), case["config"].get("num_classes", 0), 0)
module, (batch["images"], batch["noise"]) = prepare(
    module.train(), [batch["images"], batch["noise"]], request["layout"]
)
step, _ = training_step(module, compiled(module, request["compile"]), call, request["optimizer"])
losses = []
times = repeat(lambda: losses.append(step(batch)[0]), request)
print(
    json.dumps(
        {
            **times,
            "check": losses[0],
            "parameters": sum(p.numel() for p in module.parameters() if p.requires_grad),
            "peakMb": peak_mb(),
            # torch.compile starts helper processes, so the CPU time is not known.
            **({} if request["compile"] else {"cpuSeconds": cpu_seconds()}),
            "versions": versions,
        }
    )
)
