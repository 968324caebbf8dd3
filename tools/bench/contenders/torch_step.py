"""The training step in PyTorch: forward pass, MSE, backward pass, gradient norm, AdamW, and EMA."""

from contextlib import nullcontext

import torch


def training_step(module, model, call, settings, half=nullcontext, capturable=False):
    """Returns `step(batch) -> (loss, gradient norm)`, both floats, and the EMA tensors in the order of `parameters()`.

    `model` is `module` or its compiled form. AdamW is fused, and the EMA is one `foreach` call: the fastest variants on
    a CPU. `half` creates the context of the forward pass, torch.autocast; the loss is not scaled. With `capturable`, the
    losses are tensors and the step can be captured in a CUDA graph.
    """
    params = [p for p in module.parameters() if p.requires_grad]
    average = [p.detach().clone() for p in params]
    optimizer = torch.optim.AdamW(
        params,
        lr=settings["lr"],
        betas=(settings["beta1"], settings["beta2"]),
        eps=settings["eps"],
        weight_decay=settings["weightDecay"],
        fused=True,
        capturable=capturable,
    )

    def step(batch):
        optimizer.zero_grad(set_to_none=True)
        with half():
            predicted = call(model, batch["images"], batch["t"], batch["labels"])
        loss = torch.nn.functional.mse_loss(predicted.float(), batch["noise"])
        loss.backward()
        norm = torch.nn.utils.get_total_norm([p.grad for p in params])
        optimizer.step()
        with torch.no_grad():
            torch._foreach_lerp_(average, params, 1 - settings["emaDecay"])
        return (loss, norm) if capturable else (loss.item(), norm.item())

    return step, average


WARM_STEPS = 3  # before a capture, as in PyTorch's documentation of CUDA graphs


def captured_step(step, host, to_device):
    """A step that replays a CUDA graph. Its first call runs `step`, which is then captured, on a copy of the batch.

    Recipe: https://docs.pytorch.org/docs/stable/notes/cuda.html#whole-network-capture
    """
    batch = to_device(host)
    graph = None
    outputs = None

    def first():
        nonlocal graph, outputs
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            # The first step's results are read at once, since the memory of later ones may replace them.
            results = tuple(value.item() for value in step(batch))
            for _ in range(WARM_STEPS - 1):
                step(batch)
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            outputs = step(batch)
        return results

    def replayed(host):
        if graph is None:
            return first()
        for name, tensor in batch.items():
            tensor.copy_(host[name], non_blocking=True)
        graph.replay()
        return tuple(value.item() for value in outputs)

    return replayed
