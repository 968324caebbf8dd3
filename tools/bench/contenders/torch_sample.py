"""Times sampling a batch of images in PyTorch with diffusers' DDIMScheduler.

Input and output are those of torch_train.py, with the `check` of sample.mjs.
"""

import json
import sys

from repeat import repeat
from torch_models import compiled, load, shape_of

WARM_CALLS = 3  # model evaluations of a warmup, as in sample.mjs


def measure(request, loaded):
    """Timing of sampling one batch. `loaded` is the result of `load`, whose module is changed."""
    import torch
    from diffusers import DDIMScheduler
    from formula import batch_of
    from torch_device import pinned, prepare, select_device, to_device

    device = select_device(request)
    module, call, versions = loaded
    case = request["case"]
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
    module, (noise,) = prepare(module.eval(), [noise], request["layout"], device)
    host = pinned({"noise": noise}, device)
    model = compiled(module, request["compile"])

    @torch.inference_mode()
    def sample(calls):
        scheduler.set_timesteps(sampling["steps"])
        x = to_device(host, device)["noise"]
        for t in scheduler.timesteps[:calls]:
            x = scheduler.step(call(model, x, t, None), t, x).prev_sample
        return x.cpu()

    checks = []
    times = repeat(
        lambda: sample(sampling["steps"]),
        request,
        lambda: checks.append(sample(WARM_CALLS).square().mean().item()),
    )
    return device.result(times, checks[0], module, request, versions)


if __name__ == "__main__":
    task = json.load(sys.stdin)
    print(json.dumps(measure(task, load(task["case"]))))
