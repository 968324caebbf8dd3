"""Final images of samplers that are compared with k-diffusion and diffusers.

    PYTHONPATH=<diffusers>/src python tools/parity/samplers_fixture.py <checkout of crowsonkb/k-diffusion> \\
        packages/core/src/fixtures/samplers.json

Generated with k-diffusion 0.2.0.dev0 (4601bf0), diffusers 0.40.0.dev0, PyTorch 2.13.0, NumPy 2.4.6, SciPy 1.17.1.

The network, the noise, and the format of a case are those of schedulers_fixture.py.
"""

import importlib.util
import json
import math
import sys
import types
from pathlib import Path

import torch
from diffusers import schedulers as S
from schedulers_fixture import BETAS, discrete, network, noise, rounded


def k_sampling(repository):
    """k_diffusion.sampling, whose package imports much that is not needed here."""
    for name in ("torchdiffeq", "torchsde"):
        sys.modules[name] = types.ModuleType(name)
    sys.modules["torchdiffeq"].odeint = None
    package, utils = types.ModuleType("k_diffusion"), types.ModuleType("k_diffusion.utils")
    utils.append_dims = lambda x, dims: x[(...,) + (None,) * (dims - x.ndim)]
    package.utils = utils
    sys.modules.update({"k_diffusion": package, "k_diffusion.utils": utils})
    path = Path(repository) / "k_diffusion/sampling.py"
    spec = importlib.util.spec_from_file_location("k_diffusion.sampling", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def k_case(sampling, function, name, steps, options=None, **ours):
    """A sampler of k-diffusion on Karras sigmas over the range of the linear schedule; y = x / alpha."""
    abar = S.DDPMScheduler(**BETAS["linear"]).alphas_cumprod.double()
    schedule = ((1 - abar) / abar).sqrt()
    ramp = torch.linspace(0, 1, steps, dtype=torch.float64)
    low, high = schedule[0] ** (1 / 7), schedule[-1] ** (1 / 7)
    sigmas = torch.cat([(high + ramp * (low - high)) ** 7, torch.zeros(1, dtype=torch.float64)])
    evaluations, draws = 0, 0

    def model(y, sigma):
        nonlocal evaluations
        evaluations += 1
        s = float(sigma[0])
        return y - s * network(y / math.sqrt(1 + s**2), 0, depends_on_t=False)

    def churn_noise(y):
        nonlocal draws
        draws += 1
        return noise(draws - 1)

    sampling.torch.randn_like = churn_noise
    init = noise(-1)
    options = dict(options or {})
    if options.pop("sde", False):
        options["noise_sampler"] = lambda *_: noise(evaluations - 1)
    y = getattr(sampling, function)(model, init * math.sqrt(1 + float(sigmas[0]) ** 2), sigmas, disable=True, **options)
    return {"sampler": {"name": name, **ours}, "schedule": {"name": "linear"}, "path": {"steps": steps, "karras": {}},
            "prediction": "epsilon", "dependsOnT": False, "init": init.flatten().tolist(), "final": y.flatten().tolist()}


def last(case):
    """A case of schedulers_fixture.py with the final image alone."""
    *_, final = case.pop("trajectory")
    if case.pop("final", None) == "first":
        case["path"]["final"] = "first"
    return {**case, "final": final}


def flow_default(steps, shift=1.0, tokens=None):
    """FlowMatchEulerDiscreteScheduler with its own times; with `tokens`, shifted dynamically as for an image of that size."""
    scheduler = S.FlowMatchEulerDiscreteScheduler(shift=shift, use_dynamic_shifting=tokens is not None)
    mu = None if tokens is None else 0.5 + (1.15 - 0.5) * (tokens - 256) / (4096 - 256)
    scheduler.set_timesteps(steps, mu=mu)
    x = init = noise(-1)
    for t in scheduler.timesteps:
        x = scheduler.step(network(x, float(t)), t, x).prev_sample.double()
    ours = {"shift": shift} if tokens is None else {"dynamicShift": {"tokens": tokens}}
    return {"sampler": {"name": "euler"}, "flow": {"steps": steps, "spacing": "flow-match-euler", **ours},
            "prediction": "flow", "dependsOnT": True, "init": init.flatten().tolist(), "final": x.flatten().tolist()}


def cases(repository):
    sampling = k_sampling(repository)
    churn = {"amount": 6, "min": 0.05, "max": 50, "std": 1.003}
    s_churn = {"s_churn": 6, "s_tmin": 0.05, "s_tmax": 50, "s_noise": 1.003}
    partial = {"sde": True, "eta": 0.6, "s_noise": 1.1}
    ours = {"eta": 0.6, "noiseStd": 1.1}
    sde = {"sde": True}
    karras = {"use_karras_sigmas": True}
    heun = {"solver_type": "heun"}
    first = {"final_sigmas_type": "sigma_min"}
    return [
        k_case(sampling, "sample_euler", "euler", 10, s_churn, churn=churn),
        k_case(sampling, "sample_heun", "heun", 8, s_churn, churn=churn),
        k_case(sampling, "sample_euler_ancestral", "euler-ancestral", 10, partial, **ours),
        k_case(sampling, "sample_euler_ancestral", "euler-ancestral", 10, {"sde": True, "eta": 0.0}, eta=0),
        k_case(sampling, "sample_lms", "lms", 10),
        k_case(sampling, "sample_lms", "lms", 10, {"order": 2}, order=2),
        k_case(sampling, "sample_dpm_2", "dpm-2", 8),
        k_case(sampling, "sample_dpm_2", "dpm-2", 8, s_churn, churn=churn),
        k_case(sampling, "sample_dpm_2_ancestral", "dpm-2-ancestral", 8, sde),
        k_case(sampling, "sample_dpm_2_ancestral", "dpm-2-ancestral", 8, partial, **ours),
        k_case(sampling, "sample_dpmpp_2s_ancestral", "dpmpp-2s-ancestral", 8, sde),
        k_case(sampling, "sample_dpmpp_2s_ancestral", "dpmpp-2s-ancestral", 8, partial, **ours),
        k_case(sampling, "sample_dpmpp_2s_ancestral", "dpmpp-2s-ancestral", 8, {"sde": True, "eta": 0.0}, eta=0),
        k_case(sampling, "sample_dpmpp_2m", "dpmpp-2m", 10, lowerOrderFinal="never"),
        k_case(sampling, "sample_dpmpp_2m_sde", "dpmpp-2m-sde", 10, partial, **ours, lowerOrderFinal="never"),
        k_case(sampling, "sample_dpmpp_2m_sde", "dpmpp-2m-sde", 10, {**sde, **heun}, solverType="heun", lowerOrderFinal="never"),
        k_case(sampling, "sample_dpmpp_3m_sde", "dpmpp-3m-sde", 12, sde),
        k_case(sampling, "sample_dpmpp_3m_sde", "dpmpp-3m-sde", 12, partial, **ours),
        k_case(sampling, "sample_dpmpp_3m_sde", "dpmpp-3m-sde", 12, {"sde": True, "eta": 0.0}, eta=0),
        last(discrete("dpmpp-3m", 10, config={"solver_order": 3})),
        last(discrete("dpmpp-3m", 18, "v", "cosine", config={"solver_order": 3, **heun}, ours={"solverType": "heun"})),
        last(discrete("dpmpp-3m", 10, config={"solver_order": 3, "lower_order_final": False, **first}, ours={"lowerOrderFinal": "never"}, final="first")),
        last(discrete("dpmpp-2m", 16, config={"euler_at_final": True, **first}, ours={"eulerAtFinal": True}, final="first")),
        last(discrete("dpmpp-2m", 10, config={**heun, **karras}, ours={"solverType": "heun"}, path={"steps": 10, "karras": {}})),
        last(discrete("unipc", 10, config={"solver_type": "bh1", **first}, ours={"solverType": "bh1"}, final="first")),
        last(discrete("unipc", 10, "v", config={"solver_type": "bh1", "solver_order": 3, "disable_corrector": [0, 4], **first}, ours={"solverType": "bh1", "order": 3, "disableCorrector": [0, 4]}, final="first")),
        last(discrete("lms", 10, config={"timestep_spacing": "leading"})),
        last(discrete("dpm-2", 8, config={"timestep_spacing": "trailing"}, path={"steps": 8, "spacing": "trailing"})),
        # Paths
        last(discrete("euler", 8, config={"use_exponential_sigmas": True}, path={"steps": 8, "exponential": {}})),
        last(discrete("euler", 8, config={"use_beta_sigmas": True}, path={"steps": 8, "beta": {}})),
        last(discrete("dpmpp-2m", 8, config={"use_lu_lambdas": True}, path={"steps": 8, "exponential": {}})),
        last(discrete("euler", 8, path={"steps": 8, "spacing": "linspace-euler"})),
        last(discrete("dpmpp-2m", 7, path={"steps": 7, "spacing": "linspace-dpm"})),
        last(discrete("unipc", 7, config={"timestep_spacing": "leading", "steps_offset": 1}, path={"steps": 7, "spacing": "leading-dpm", "stepsOffset": 1})),
        flow_default(8, 3.0),
        flow_default(8, tokens=1024),
    ]  # fmt: skip


if __name__ == "__main__":
    repository, target = sys.argv[1:]
    rows = ",\n".join(json.dumps(rounded(case), separators=(",", ":")) for case in cases(repository))
    Path(target).write_text(f"[\n{rows}\n]\n")
