"""Times the training step of a diffusers model in PyTorch eager: forward, MSE, backward, AdamW.

Reads one JSON object on standard input: {case, optimizer, layout, threads, warmup, steps}, with case and
optimizer as in cases.mjs; prints one JSON line {"ms": [...], "parameters": n, "versions": {...}, "peakMb": m}.
Exit code 3 with one line of reason when PyTorch or diffusers is not installed.
"""
import json
import resource
import sys
import time
from pathlib import Path


def main() -> None:
    request = json.load(sys.stdin)
    try:
        import torch

        sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "parity"))
        from reference_import import find_diffusers

        find_diffusers()
        import diffusers
    except ImportError as error:
        print(f"not installed: {error}", file=sys.stderr)
        sys.exit(3)

    torch.set_num_threads(request["threads"])
    torch.manual_seed(0)
    case = request["case"]
    model = diffusers.UNet2DModel(**case["model"]).train()
    size, channels = case["model"]["sample_size"], case["model"]["in_channels"]
    images = torch.randn(case["batch"], channels, size, size)
    noise = torch.randn_like(images)
    t = torch.randint(0, 1000, (case["batch"],))
    if request["layout"] == "channels-last":
        model = model.to(memory_format=torch.channels_last)
        images = images.to(memory_format=torch.channels_last)
        noise = noise.to(memory_format=torch.channels_last)
    settings = request["optimizer"]
    optimizer = torch.optim.AdamW(
        model.parameters(),
        lr=settings["lr"],
        betas=(settings["beta1"], settings["beta2"]),
        eps=settings["eps"],
        weight_decay=settings["weightDecay"],
    )

    def step() -> float:
        start = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        loss = torch.nn.functional.mse_loss(model(images, t).sample, noise)
        loss.backward()
        optimizer.step()
        loss.item()
        return (time.perf_counter() - start) * 1e3

    for _ in range(request["warmup"]):
        step()
    ms = [step() for _ in range(request["steps"])]
    print(
        json.dumps(
            {
                "ms": ms,
                "parameters": sum(p.numel() for p in model.parameters()),
                "peakMb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
                "versions": {"torch": torch.__version__, "diffusers": diffusers.__version__},
            }
        )
    )


if __name__ == "__main__":
    main()
