"""Checks an implementation of CLTS, MDLRC, or Min-SNR against closed forms. NumPy only; copy this file.

    check_clts(lambda step, n: my_sampler(step, n), steps=50000, sigma=0.5, ramp=0.75)
    check_mdlrc(lambda step: (my_lr(step), my_beta1(step)), steps=50000, lr=1e-4)
    check_min_snr(lambda snr: my_weight(snr))

Each raises an AssertionError that names the first value that is wrong. The formulas of CLTS and MDLRC are
reconstructions, not the authors' text: https://arxiv.org/abs/2404.07946 has none in its abstract.
"""

import numpy as np


def check_clts(draw, steps, T=1000, mu=0.3, sigma=0.2, lambda_max=0.8, ramp=1.0, n=200_000):
    """`draw(step, n)` returns n timesteps in [0, T). The fractions in 20 equal ranges must be those of
    p = (1 - lambda) / T + lambda g, with g a normalized Gaussian of t / T, and lambda linear over `ramp` of the run.
    0.005 is more than four standard deviations of a fraction, for 200,000 draws."""
    t = np.arange(T)
    g = np.exp(-((t / T - mu) ** 2) / (2 * sigma**2))
    g /= g.sum()
    for step in (0, steps // 4, steps // 2, steps - 1):
        share = lambda_max * min(1, step / (ramp * steps))
        expected = np.histogram(t, 20, (0, T), weights=(1 - share) / T + share * g)[0]
        drawn = np.asarray(draw(step, n))
        assert drawn.shape == (n,) and drawn.min() >= 0 and drawn.max() < T, f"step {step}: {n} timesteps in [0, {T})"
        seen = np.histogram(drawn, 20, (0, T))[0] / n
        worst = int(np.abs(seen - expected).argmax())
        assert abs(seen[worst] - expected[worst]) < 0.005, (
            f"step {step}: {seen[worst]:.4f} of the timesteps are in the range {worst} of 20, "
            f"expected {expected[worst]:.4f}"
        )


def check_mdlrc(schedule, steps, lr, beta=0.9):
    """`schedule(step)` returns the learning rate and beta1 (or momentum) of a step. beta1 must be that of Demon
    (https://arxiv.org/abs/1910.04952), and lr (1 - beta1) constant."""
    for step in (0, steps // 5, steps // 2, steps - 1):
        left = 1 - step / steps
        expected_beta = beta * left / (1 - beta + beta * left)
        expected_lr = lr * (1 - beta) / (1 - expected_beta)
        seen_lr, seen_beta = schedule(step)
        assert abs(seen_beta - expected_beta) < 1e-3, f"step {step}: beta1 {seen_beta}, expected {expected_beta:.4f}"
        assert abs(seen_lr / expected_lr - 1) < 1e-3, f"step {step}: lr {seen_lr}, expected {expected_lr:.4g}"


def check_min_snr(weight, prediction="epsilon", gamma=5.0):
    """`weight(snr)` is the weight of the loss of the prediction: https://arxiv.org/abs/2303.09556, section 3.4."""
    for snr in (0.01, 1.0, 5.0, 20.0, 1000.0):
        expected = min(snr, gamma) / {"epsilon": snr, "x0": 1.0, "v": snr + 1}[prediction]
        seen = float(weight(snr))
        assert abs(seen / expected - 1) < 1e-4, f"SNR {snr}: weight {seen:.6g}, expected {expected:.6g}"
