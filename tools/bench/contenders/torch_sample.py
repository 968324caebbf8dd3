"""Times sampling a batch of images in PyTorch with diffusers' DDIMScheduler.

Input and output are those of torch_train.py, with the `check` of sample.mjs.
"""

import json
import sys

from repeat import cpu_seconds, peak_mb, repeat
from torch_models import compiled, load, prepare, shape_of

request = json.load(sys.stdin)
case = request["case"]
module, call, versions = load(case)

import torch  # noqa: E402
from diffusers import DDIMScheduler  # noqa: E402
from formula import batch_of  # noqa: E402

WARM_CALLS = 3  # model evaluations of a warmup, as in sample.mjs

torch.set_num_threads(request["threads"])
sampling = case["sampling"]
scheduler = DDIMScheduler(
    num_train_timesteps=sampling["numTimesteps"],
    beta_start=sampling["betaStart"],
    beta_end=sampling["betaEnd"],
    beta_schedule="linear",
    prediction_type="epsilon",
    clip_sample=True,
)
noise = batch_of(shape_of(case), 0, 0)["noise"]
module, (noise,) = prepare(module.eval(), [noise], request["layout"])
model = compiled(module, request["compile"])


@torch.inference_mode()
def sample(calls):
    scheduler.set_timesteps(sampling["steps"])
    x = noise
    for t in scheduler.timesteps[:calls]:
        x = scheduler.step(call(model, x, t, None), t, x).prev_sample
    return x


checks = []
times = repeat(
    lambda: sample(sampling["steps"]),
    request,
    lambda: checks.append(sample(WARM_CALLS).square().mean().item()),
)
print(
    json.dumps(
        {
            **times,
            "check": checks[0],
            "parameters": sum(p.numel() for p in module.parameters() if p.requires_grad),
            "peakMb": peak_mb(),
            # torch.compile starts helper processes, so the CPU time is not known.
            **({} if request["compile"] else {"cpuSeconds": cpu_seconds()}),
            "versions": versions,
        }
    )
)
