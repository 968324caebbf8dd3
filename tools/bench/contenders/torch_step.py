"""The training step in PyTorch: forward pass, MSE, backward pass, gradient norm, AdamW, and EMA."""

import torch


def training_step(module, model, call, settings):
    """Returns `step(batch) -> (loss, gradient norm)`, both floats, and the EMA tensors in the order of `parameters()`.

    `model` is `module` or its compiled form. AdamW is fused, and the EMA is one `foreach` call: the fastest variants on
    a CPU.
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
    )

    def step(batch):
        optimizer.zero_grad(set_to_none=True)
        predicted = call(model, batch["images"], batch["t"], batch["labels"])
        loss = torch.nn.functional.mse_loss(predicted, batch["noise"])
        loss.backward()
        norm = torch.nn.utils.get_total_norm([p.grad for p in params])
        optimizer.step()
        with torch.no_grad():
            torch._foreach_lerp_(average, params, 1 - settings["emaDecay"])
        return loss.item(), norm.item()

    return step, average
