"""Reference values for @dm/core: noise schedules, timesteps, and complete sampling trajectories.

    PYTHONPATH=<diffusers>/src python tools/parity/schedulers_fixture.py <checkout of NVlabs/edm> \\
        <checkout of facebookresearch/DiT> packages/core/src/fixtures

Generated with diffusers 0.40.0.dev0, NVlabs/edm 008a4e5, PyTorch 2.13.0, NumPy 2.4.6.

The tests implement the same closed formulas of the network and the noise, so the fixtures contain results only. The
trajectories of schedulers that work with x / alpha (Euler, Heun) are multiplied by alpha.
"""

import ast
import json
import math
import sys
from pathlib import Path

import numpy as np
import torch
from diffusers import schedulers as S

SHAPE = (2, 1, 2, 3)  # [N, C, H, W]; with one channel, [N, H, W, C] has the same element order
SIZE = math.prod(SHAPE)
J = torch.arange(SIZE, dtype=torch.float64).reshape(SHAPE)


def noise(k):
    return 1.2 * torch.sin(1.7 * J + 2.3 * k + 0.5) + 0.4 * torch.cos(J * J + k)


def network(x, t, depends_on_t=True):
    return torch.tanh(0.7 * x + (0.3 * math.sin(0.003 * t) if depends_on_t else 0) + 0.4 * torch.cos(J))


def learned_variance(x):
    return torch.sin(x + J)


DISCRETE = {
    "ddpm": S.DDPMScheduler,
    "ddim": S.DDIMScheduler,
    "euler": S.EulerDiscreteScheduler,
    "euler-ancestral": S.EulerAncestralDiscreteScheduler,
    "heun": S.HeunDiscreteScheduler,
    "dpmpp-2m": S.DPMSolverMultistepScheduler,
    "dpmpp-2m-sde": S.DPMSolverMultistepScheduler,
    "dpmpp-3m": S.DPMSolverMultistepScheduler,
    "lms": S.LMSDiscreteScheduler,
    "dpm-2": S.KDPM2DiscreteScheduler,
    "unipc": S.UniPCMultistepScheduler,
}
PREDICTION = {"epsilon": "epsilon", "x0": "sample", "v": "v_prediction", "flow": "flow_prediction"}
BETAS = {
    "linear": {"beta_schedule": "linear", "beta_start": 1e-4, "beta_end": 0.02},
    "cosine": {"beta_schedule": "squaredcos_cap_v2"},
    "scaled-linear": {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012},
    "sigmoid": {"beta_schedule": "sigmoid", "beta_start": 1e-4, "beta_end": 0.02},
}


def patch_noise(scheduler, counter):
    """Replaces randn_tensor, with which diffusers draws its noise, by the formula's noise of the current step."""
    module = sys.modules[type(scheduler).__module__]
    module.randn_tensor = lambda shape, **_: noise(counter["k"]).reshape(shape)


def discrete(name, steps, prediction="epsilon", schedule="linear", config=None, step=None, ours=None, path=None, **case):
    """One trajectory of a scheduler over a discrete schedule."""
    scheduler = DISCRETE[name](prediction_type=PREDICTION[prediction], **BETAS[schedule], **(config or {}))
    scheduler.set_timesteps(steps)
    counter = {"k": 0}
    patch_noise(scheduler, counter)
    scaled = name in ("euler", "euler-ancestral", "heun", "lms", "dpm-2")
    # With such sigmas some of diffusers' schedulers round the model's timestep.
    depends_on_t = path is None or not {"karras", "exponential", "beta"} & set(path)
    variance = case.get("learned", False)

    def alpha(k):
        if not scaled:
            return 1.0
        return 1 / math.sqrt(1 + float(scheduler.sigmas[k]) ** 2)

    sample = noise(-1) * float(scheduler.init_noise_sigma)
    init = sample * alpha(0)
    trajectory = []
    for k, t in enumerate(scheduler.timesteps):
        counter["k"] = k
        seen = scheduler.scale_model_input(sample, t)
        output = network(seen, float(t), depends_on_t)
        if variance:
            output = torch.cat([output, learned_variance(seen)], 1)
        sample = scheduler.step(output, t, sample, **(step or {})).prev_sample.double()
        trajectory.append((sample * alpha(k + 1)).flatten().tolist())
    timesteps = [float(t) for t in scheduler.timesteps]
    if name == "heun":
        timesteps = list(dict.fromkeys(timesteps))
    return {
        "sampler": {"name": name, **(ours or {})},
        "schedule": {"name": schedule, **({"zeroTerminalSnr": True} if (config or {}).get("rescale_betas_zero_snr") else {})},
        "path": path if path is not None else {"timesteps": timesteps},
        "prediction": prediction,
        "dependsOnT": depends_on_t,
        **case,
        "init": init.flatten().tolist(),
        "trajectory": trajectory,
    }


def edm_euler(steps):
    scheduler = S.EDMEulerScheduler(sigma_min=0.002, sigma_max=80.0, sigma_data=0.5, prediction_type="epsilon")
    scheduler.set_timesteps(steps)
    sample = noise(-1) * scheduler.sigmas[0].double()
    init = sample
    trajectory = []
    for t in scheduler.timesteps:
        output = network(scheduler.scale_model_input(sample, t), float(t))
        sample = scheduler.step(output, t, sample).prev_sample.double()
        trajectory.append(sample.flatten().tolist())
    return {"sampler": {"name": "euler"}, "edm": {"steps": steps}, "prediction": "edm", "dependsOnT": True,
            "init": init.flatten().tolist(), "trajectory": trajectory}


def flow(kind, steps, shift):
    cls = {"euler": S.FlowMatchEulerDiscreteScheduler, "heun": S.FlowMatchHeunDiscreteScheduler}[kind]
    scheduler = cls(shift=shift)
    if kind == "euler":
        scheduler.set_timesteps(sigmas=np.linspace(1, 1 / steps, steps))
        path = {"flow": {"steps": steps, "shift": shift}}
    else:
        scheduler.set_timesteps(steps)
        path = {"flowTimes": list(dict.fromkeys(float(s) for s in scheduler.sigmas))}
    sample = init = noise(-1)
    trajectory = []
    for t in scheduler.timesteps:
        sample = scheduler.step(network(sample, float(t)), t, sample).prev_sample.double()
        trajectory.append(sample.flatten().tolist())
    return {"sampler": {"name": kind, **({"variable": "flow"} if kind == "heun" else {})}, **path, "prediction": "flow",
            "dependsOnT": True, "init": init.flatten().tolist(), "trajectory": trajectory}


def function_of(path, name):
    """A function or method from a file that cannot be imported, since its dependencies are not installed."""
    tree = ast.parse(Path(path).read_text())
    tree.body = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name == name]
    namespace = {"torch": torch, "np": np}
    exec(compile(tree, str(path), "exec"), namespace)
    return namespace[name]


def edm_sampler(repository):
    return function_of(Path(repository) / "generate.py", "edm_sampler")


class Preconditioned:
    sigma_min, sigma_max = 0, math.inf

    def round_sigma(self, sigma):
        return sigma

    def __call__(self, x, sigma, _labels):
        s, sd = float(sigma), 0.5
        c_skip, c_out, c_in = sd**2 / (s**2 + sd**2), s * sd / math.sqrt(s**2 + sd**2), 1 / math.sqrt(s**2 + sd**2)
        return c_skip * x + c_out * network(c_in * x, math.log(s) / 4)


def edm_heun(sampler, steps, churn=None):
    drawn = iter(range(10**6))
    names = {"amount": "S_churn", "min": "S_min", "max": "S_max", "std": "S_noise"}
    final = sampler(Preconditioned(), noise(-1), num_steps=steps, randn_like=lambda x: noise(next(drawn)),
                    **{names[key]: value for key, value in (churn or {}).items()})
    return {"sampler": {"name": "heun", **({"churn": churn} if churn else {})}, "edm": {"steps": steps}, "prediction": "edm",
            "dependsOnT": True, "init": (noise(-1) * 80).flatten().tolist(), "final": final.flatten().tolist()}


def trajectories(repository):
    plain = {"clip_sample": False}
    clipped = {"clip_sample": True, "clip_sample_range": 0.8}
    sampler = edm_sampler(repository)
    zero = {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing", **plain}
    sde = {"algorithm_type": "sde-dpmsolver++"}
    cases = [
        # DDPM
        discrete("ddpm", 10, config=plain, path={"steps": 10}),
        discrete("ddpm", 10, config=clipped, clip=0.8, path={"steps": 10}),
        discrete("ddpm", 7, "v", "cosine", config={**plain, "variance_type": "fixed_large"}, ours={"variance": "fixedLarge"}, path={"steps": 7}),
        discrete("ddpm", 8, "x0", config={**plain, "timestep_spacing": "linspace"}, path={"steps": 8, "spacing": "linspace"}),
        discrete("ddpm", 10, config={**plain, "variance_type": "learned_range"}, ours={"variance": "learnedRange"}, path={"steps": 10}, learned=True),
        discrete("ddpm", 10, config={"thresholding": True, "dynamic_thresholding_ratio": 0.8, "sample_max_value": 1.5}, path={"steps": 10}, threshold={"quantile": 0.8, "max": 1.5}),
        discrete("ddpm", 6, "v", config=zero, path={"steps": 6, "spacing": "trailing"}),
        # DDIM
        discrete("ddim", 10, config=plain, path={"steps": 10}),
        discrete("ddim", 10, config=clipped, clip=0.8, path={"steps": 10}),
        discrete("ddim", 10, config=clipped, clip=0.8, step={"use_clipped_model_output": True}, ours={"useClippedOutput": True}, path={"steps": 10}),
        discrete("ddim", 10, config=plain, step={"eta": 0.6}, ours={"eta": 0.6}, path={"steps": 10}),
        discrete("ddim", 10, "v", "scaled-linear", config={**plain, "set_alpha_to_one": False, "steps_offset": 1}, path={"steps": 10, "stepsOffset": 1, "final": "first"}),
        discrete("ddim", 5, "x0", "cosine", config={**plain, "timestep_spacing": "trailing"}, path={"steps": 5, "spacing": "trailing"}),
        discrete("ddim", 5, "v", config=zero, path={"steps": 5, "spacing": "trailing"}),
        # Euler, Euler ancestral, Heun
        discrete("euler", 10),
        discrete("euler", 10, "v", "scaled-linear", config={"timestep_spacing": "trailing"}),
        discrete("euler", 10, config={"use_karras_sigmas": True}, path={"steps": 10, "karras": {}}),
        discrete("euler-ancestral", 10, config={"timestep_spacing": "leading"}),
        discrete("heun", 10, config={"timestep_spacing": "leading"}),
        discrete("heun", 6, "v", config={"timestep_spacing": "trailing"}),
        # Multistep solvers
        discrete("dpmpp-2m", 10),
        discrete("dpmpp-2m", 20, "v", "cosine"),
        discrete("dpmpp-2m", 10, config={"final_sigmas_type": "sigma_min", "lower_order_final": False}, ours={"lowerOrderFinal": "never"}, final="first"),
        discrete("dpmpp-2m", 10, config={"use_karras_sigmas": True}, path={"steps": 10, "karras": {}}),
        discrete("dpmpp-2m-sde", 10, config=sde),
        discrete("dpmpp-2m-sde", 16, "x0", config=sde),
        discrete("unipc", 10),
        discrete("unipc", 10, "v", config={"solver_order": 3}, ours={"order": 3}),
        discrete("unipc", 8, "x0", config={"solver_order": 1}, ours={"order": 1}),
        discrete("unipc", 10, config={"use_karras_sigmas": True}, path={"steps": 10, "karras": {}}),
        # Continuous
        edm_euler(10),
        edm_heun(sampler, 10),
        edm_heun(sampler, 10, {"amount": 6, "min": 0.05, "max": 50, "std": 1.003}),
        flow("euler", 8, 1.0),
        flow("euler", 8, 3.0),
        flow("heun", 6, 1.0),
        # Last steps from a timestep above 0 to a clean image, which add noise of the given variance
        *last_steps(),
        # diffusers' DDIM: each step subtracts T / steps, independent of the next timestep
        *strides(),
    ]
    for case in cases:
        if case.get("final") == "first":
            case["path"]["final"] = case.pop("final")
    return cases


def last_steps():
    plain = {"clip_sample": False}
    trailing = {**plain, "timestep_spacing": "trailing"}
    learned, large = {"variance_type": "learned_range"}, {"variance_type": "fixed_large"}
    path = {"steps": 10, "spacing": "trailing"}
    return [
        discrete("ddpm", 10, config={**trailing, **learned}, ours={"variance": "learnedRange"}, path=path, learned=True),
        discrete("ddpm", 10, "v", config={**plain, **learned, "steps_offset": 1}, ours={"variance": "learnedRange"}, path={"steps": 10, "stepsOffset": 1}, learned=True),
        discrete("ddpm", 10, config={**trailing, **large}, ours={"variance": "fixedLarge"}, path=path),
    ]


def strides():
    plain = {"clip_sample": False}
    trailing = {**plain, "timestep_spacing": "trailing"}
    linspace = {**plain, "timestep_spacing": "linspace"}
    stride = {"stepEnd": "stride"}
    return [
        discrete("ddim", 7, config=trailing, path={"steps": 7, "spacing": "trailing", **stride}),
        discrete("ddim", 7, "v", config={**trailing, "set_alpha_to_one": False}, step={"eta": 0.6}, ours={"eta": 0.6}, path={"steps": 7, "spacing": "trailing", "final": "first", **stride}),
        discrete("ddim", 10, "x0", config=linspace, path={"steps": 10, "spacing": "linspace", **stride}),
        discrete("ddim", 10, config={**linspace, "set_alpha_to_one": False}, path={"steps": 10, "spacing": "linspace", "final": "first", **stride}),
        discrete("ddim", 10, config=plain, path={"steps": 10, **stride}),
    ]


def guidance(repository):
    """DiT's forward_with_cfg on a model with six output channels, three of them for the variance."""
    index = torch.arange(24, dtype=torch.float64).reshape(2, 3, 2, 2)

    class Network:
        def forward(self, x, t, y):
            rows = y.reshape(-1, 1, 1, 1)
            return torch.cat([torch.tanh(0.7 * x + rows), torch.sin(x + 2 * rows)], 1)

    x = torch.sin(1.3 * index)
    labels = torch.tensor([0.5, -0.25, 0.1, 0.2], dtype=torch.float64)
    forward = function_of(Path(repository) / "models.py", "forward_with_cfg")
    guided = forward(Network(), torch.cat([x, x]), None, labels, 3.0)[:2]
    return {"scale": 3.0, "conditional": [0.5, -0.25], "unconditional": [0.1, 0.2],
            "output": guided.permute(0, 2, 3, 1).flatten().tolist()}


def schedules():
    rows = []
    for name, config in BETAS.items():
        for rescale in (False, True):
            scheduler = S.DDPMScheduler(**config, rescale_betas_zero_snr=rescale)
            at = [0, 1, 10, 100, 300, 500, 700, 900, 998, 999]
            rows.append({"config": {"name": name, **({"zeroTerminalSnr": True} if rescale else {})}, "at": at,
                         "alphasCumprod": scheduler.alphas_cumprod.double()[at].tolist()})
    return rows


def timesteps_of(spacing, steps, offset=0):
    name, _, solver = spacing.partition("-")
    kind = S.DPMSolverMultistepScheduler if solver else S.DDPMScheduler
    scheduler = kind(timestep_spacing=name, steps_offset=offset)
    scheduler.set_timesteps(steps)
    return scheduler.timesteps.tolist()


def timesteps():
    """Some rows, and for each spacing the sum of (i + 1) * timestep i over all numbers of steps."""
    rows, sums = [], {}
    for spacing in ("leading", "trailing", "linspace", "leading-dpm", "linspace-dpm"):
        for steps in (1, 3, 7, 10, 30, 48, 64, 300):
            for offset in (0, 1) if spacing == "leading" else (0,):
                values = timesteps_of(spacing, steps, offset)
                rows.append({"steps": steps, "spacing": spacing, "stepsOffset": offset, "timesteps": values})
        # DPMSolverMultistepScheduler needs steps + 1 timesteps. For some numbers of steps np.arange rounds to one more
        # value, a timestep of -1 after the last of "trailing".
        every = range(1, 1000 if spacing.endswith("-dpm") else 1001)
        sums[spacing] = sum((i + 1) * t for steps in every for i, t in enumerate(timesteps_of(spacing, steps)) if t >= 0)
    return {"rows": rows, "sums": sums}


def rounded(value):
    """Rounds to nine significant digits, which is sufficient for float32."""
    if isinstance(value, float):
        return float(f"{value:.9g}")
    if isinstance(value, list):
        return [rounded(v) for v in value]
    if isinstance(value, dict):
        return {key: rounded(v) for key, v in value.items()}
    return value


if __name__ == "__main__":
    repository, dit, folder = sys.argv[1:]
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    fixtures = {
        "trajectories": trajectories(repository),
        "schedules": schedules(),
        "timesteps": timesteps(),
        "guidance": guidance(dit),
    }
    for name, data in fixtures.items():
        (target / f"{name}.json").write_text(json.dumps(rounded(data), separators=(",", ":")) + "\n")
