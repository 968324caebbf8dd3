"""Trains in PyTorch for a number of steps and writes the parameters, for agreement.long.test.ts.

    python contenders/torch_agree.py <request.json> <out.safetensors>

The request is {case, optimizer, steps, threads}; step k trains on batch k of the closed formula. Prints the losses as
JSON. Exits with code 3, as torch_train.py, if PyTorch or the reference model is not installed.
"""

import json
import sys
from pathlib import Path

from torch_models import load, shape_of

request = json.loads(Path(sys.argv[1]).read_text())
case = request["case"]
module, call, _ = load(case)

import torch  # noqa: E402
from formula import batch_of  # noqa: E402
from safetensors.torch import save_file  # noqa: E402
from torch_step import training_step  # noqa: E402

torch.set_num_threads(request["threads"])
step, average = training_step(module.train(), module, call, request["optimizer"])
classes = case["config"].get("num_classes", 0)
losses = [step(batch_of(shape_of(case), classes, k))[0] for k in range(request["steps"])]
trained = [(name, p.detach()) for name, p in module.named_parameters() if p.requires_grad]
tensors = {f"params/{name}": p for name, p in trained}
tensors |= {f"ema/{name}": tensor for (name, _), tensor in zip(trained, average)}
save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, sys.argv[2])
print(json.dumps(losses))
