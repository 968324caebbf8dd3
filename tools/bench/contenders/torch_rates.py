"""The same as rates.mjs in PyTorch."""

import json
import sys
import time

try:
    import torch
except ImportError as error:
    print(f"not installed: {error}", file=sys.stderr)
    sys.exit(3)

request = json.load(sys.stdin)
torch.set_num_threads(request["threads"])


def fastest(call):
    """Seconds of the fastest call."""
    best, end = float("inf"), time.perf_counter() + request["seconds"]
    while time.perf_counter() < end:
        start = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - start)
    return best


def matmul(n):
    a, b, y = torch.rand(n, n), torch.rand(n, n), torch.empty(n, n)
    return 2 * n**3 / fastest(lambda: torch.matmul(a, b, out=y)) / 1e9


def conv(images, side, channels):
    x, w = torch.rand(images, channels, side, side), torch.rand(channels, channels, 3, 3)
    x, w = x.to(memory_format=torch.channels_last), w.to(memory_format=torch.channels_last)
    return 2 * images * side**2 * 9 * channels**2 / fastest(lambda: torch.nn.functional.conv2d(x, w, padding=1)) / 1e9


def copy(mb):
    x = torch.rand(mb * 2**20 // 4)
    y = torch.empty_like(x)
    return 2 * mb * 2**20 / fastest(lambda: y.copy_(x)) / 1e9


with torch.no_grad():
    products = {
        "matmul 1024": matmul(1024),
        "matmul 2048": matmul(2048),
        "conv 128 channels, 16x16, batch 16": conv(16, 16, 128),
        "conv 64 channels, 32x32, batch 16": conv(16, 32, 64),
    }
    print(json.dumps({"products": products, "copies": {mb: copy(mb) for mb in (1, 4, 16, 64)}}))
