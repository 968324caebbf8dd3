"""The device of a PyTorch contender: the CPU, or a CUDA GPU."""

import torch

from repeat import cpu_seconds, peak_mb


class Device:
    """A device. With `tf32`, its matrix products and convolutions may round their inputs to TF32."""

    def __init__(self, name, tf32):
        self.name = name
        if name == "cpu":
            return
        torch.backends.cuda.matmul.allow_tf32 = tf32
        torch.backends.cudnn.allow_tf32 = tf32
        torch.backends.cudnn.benchmark = True  # selects the fastest algorithm for each shape
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()

    def measured(self):
        """Peak memory of PyTorch's allocator on the GPU, in MiB, since the device was selected."""
        return {} if self.name == "cpu" else {"peakDeviceMb": torch.cuda.max_memory_reserved() / 2**20}

    def result(self, times, check, module, request, versions):
        """What a contender prints, see torch_train.py."""
        return {
            **times,
            "check": check,
            "parameters": sum(p.numel() for p in module.parameters() if p.requires_grad),
            "peakMb": peak_mb(),
            **self.measured(),
            # torch.compile starts helper processes, so the CPU time is not known.
            **({} if request["compile"] else {"cpuSeconds": cpu_seconds()}),
            "versions": {**versions, **self.versions()},
        }

    def versions(self):
        if self.name == "cpu":
            return {}
        return {
            "gpu": torch.cuda.get_device_name(),
            "cuda": torch.version.cuda,
            "cudnn": torch.backends.cudnn.version(),
        }


def half_precision(request, device):
    """torch.autocast to the type `autocast` of a request, such as "bfloat16"; disabled without it."""
    name = request.get("autocast")
    kind = device.name.split(":")[0]
    return torch.autocast(kind, dtype=getattr(torch, name) if name else None, enabled=name is not None)


def select_device(request):
    """The device named in a request, "cpu" by default."""
    return Device(request.get("device", "cpu"), request.get("tf32", False))


def prepare(module, tensors, layout, device):
    """Moves a module to the device, and converts it and image tensors to a layout, `contiguous` or `channels-last`."""
    module = module.to(device.name)
    if layout == "channels-last":
        module = module.to(memory_format=torch.channels_last)
        tensors = [tensor.to(memory_format=torch.channels_last) for tensor in tensors]
    return module, tensors


def pinned(batch, device):
    """The tensors of a batch in memory from which a GPU copies without the CPU."""
    return batch if device.name == "cpu" else {name: tensor.pin_memory() for name, tensor in batch.items()}


def to_device(batch, device):
    """The tensors of a pinned batch on the device."""
    if device.name == "cpu":
        return batch
    return {name: tensor.to(device.name, non_blocking=True) for name, tensor in batch.items()}
