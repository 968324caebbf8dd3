"""Reference values for @dm/eval from scikit-image, SciPy, torchmetrics, scikit-learn, and NumPy.

    python tools/parity/eval_fixture.py packages/eval/src/fixtures

The tests compute the inputs from the same closed formula, so the fixtures contain results only. Generated with NumPy
2.4.6, SciPy 1.17.1, scikit-image 0.26.0, torchmetrics 1.9.0, scikit-learn 1.9.1.
"""

import json
import sys
from pathlib import Path

import numpy as np
import reference_import
import scipy.linalg
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from sklearn.linear_model import LinearRegression
from sklearn.neighbors import NearestNeighbors

reference_import.accept_torchvision()

from torchmetrics.image.fid import _compute_fid  # noqa: E402
from torchmetrics.image.inception import InceptionScore  # noqa: E402
from torchmetrics.image.kid import poly_mmd  # noqa: E402


def numbers(count, phase):
    """A sum of sines that is far from periodic and equal in every language to 1 ulp."""
    i = np.arange(1, count + 1, dtype=np.float64)
    return np.sin(12.9898 * i + phase) + 0.5 * np.sin(0.37 * i * i / (1 + phase) + 78.233)


def features(n, d, phase, shift=0.0):
    """[n, d] with columns of decreasing scale, as the features of a network."""
    return numbers(n * d, phase).reshape(n, d) / np.sqrt(np.arange(1, d + 1)) + shift


def ssim():
    cases = []
    for h, w, c in [(16, 20, 1), (32, 32, 3), (11, 11, 3)]:
        x = np.clip(numbers(h * w * c, 1.0).reshape(h, w, c) / 1.5, -1, 1)
        y = np.clip(0.8 * x + 0.2 * numbers(h * w * c, 2.0).reshape(h, w, c), -1, 1)
        case = {"shape": [h, w, c]}
        for window in ("uniform", "gaussian"):
            case[window] = structural_similarity(
                x, y, data_range=2.0, channel_axis=2, gaussian_weights=window == "gaussian"
            )
            case[f"{window}Population"] = structural_similarity(
                x,
                y,
                data_range=2.0,
                channel_axis=2,
                gaussian_weights=window == "gaussian",
                use_sample_covariance=False,
            )
        case["psnr"] = peak_signal_noise_ratio(x, y, data_range=2.0)
        case["mae"] = float(np.abs(x - y).mean())
        cases.append(case)
    return cases


def frechet_sqrtm(x, y):
    """The formula of pytorch-fid."""
    m1, m2 = x.mean(0), y.mean(0)
    c1, c2 = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    root = scipy.linalg.sqrtm(c1 @ c2)
    return float(((m1 - m2) ** 2).sum() + np.trace(c1) + np.trace(c2) - 2 * np.trace(root).real)


def frechet_eigenvalues(x, y):
    """The formula of torchmetrics, with the eigenvalues of C1 C2."""
    m1, m2 = x.mean(0), y.mean(0)
    c1, c2 = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    root = np.sqrt(np.linalg.eigvals(c1 @ c2).astype(np.complex128)).real.sum()
    return float(((m1 - m2) ** 2).sum() + np.trace(c1) + np.trace(c2) - 2 * root)


def frechet_torchmetrics(x, y):
    x, y = torch.from_numpy(x), torch.from_numpy(y)
    return float(_compute_fid(x.mean(0), x.T.cov(), y.mean(0), y.T.cov()))


def frechet():
    cases = []
    for n1, n2, d, shift in [(200, 150, 12, 0.3), (400, 500, 64, 0.0), (20, 30, 48, 0.1)]:
        x, y = features(n1, d, 1.0), 1.1 * features(n2, d, 2.0, shift)
        cases.append(
            {
                "n1": n1,
                "n2": n2,
                "d": d,
                "shift": shift,
                "sqrtm": frechet_sqrtm(x, y),
                "eigenvalues": frechet_eigenvalues(x, y),
                "torchmetrics": frechet_torchmetrics(x, y),
            }
        )
    return cases


def mmd2(x, y):
    d = x.shape[1]
    kxx, kyy, kxy = ((a @ b.T / d + 1) ** 3 for a, b in ((x, x), (y, y), (x, y)))
    m, n = len(x), len(y)
    within = (kxx.sum() - np.trace(kxx)) / (m * (m - 1)) + (kyy.sum() - np.trace(kyy)) / (n * (n - 1))
    return float(within - 2 * kxy.mean())


def manifold(x, y):
    """prdc's compute_prdc (arXiv:2002.09797); k is 3 for precision and recall, 5 for density and coverage."""

    def distances(a, b):
        return np.sqrt(((a[:, None] - b[None]) ** 2).sum(-1))

    def radii(a, k):
        return np.sort(distances(a, a), axis=1)[:, k]

    cross = distances(x, y)
    r3, g3, r5 = radii(x, 3), radii(y, 3), radii(x, 5)
    return {
        "precision": float((cross < r3[:, None]).any(0).mean()),
        "recall": float((cross < g3[None]).any(1).mean()),
        "density": float((cross < r5[:, None]).sum(0).mean() / 5),
        "coverage": float((cross.min(1) < r5).mean()),
    }


def manifold_sklearn(x, y):
    """The same with scikit-learn's NearestNeighbors."""

    def radii(a, k):
        return NearestNeighbors(n_neighbors=k + 1).fit(a).kneighbors(a)[0][:, k]

    from_y = NearestNeighbors(n_neighbors=len(x)).fit(x).kneighbors(y)
    cross = np.empty((len(x), len(y)))
    for j, (distances, order) in enumerate(zip(*from_y)):
        cross[order, j] = distances
    return {
        "precision": float((cross < radii(x, 3)[:, None]).any(0).mean()),
        "recall": float((cross < radii(y, 3)[None]).any(1).mean()),
        "density": float((cross < radii(x, 5)[:, None]).sum(0).mean() / 5),
        "coverage": float((cross.min(1) < radii(x, 5)).mean()),
    }


def infinity():
    """Distances for the first N rows, for several N, and a linear fit over 1/N."""
    x, y = features(300, 8, 1.0), features(400, 8, 2.0, 0.1)
    counts = np.linspace(40, 400, 7).astype(int)
    distances = [frechet_sqrtm(x, y[:n]) for n in counts]
    line = LinearRegression().fit(1 / counts.reshape(-1, 1), distances)
    return {
        "counts": counts.tolist(),
        "distances": distances,
        "intercept": float(line.intercept_),
        "slope": float(line.coef_[0]),
    }


def inception_score_torchmetrics(logits):
    """With one split, since torchmetrics shuffles the images before it splits them."""
    metric = InceptionScore(feature=torch.nn.Identity(), splits=1, normalize=False)
    metric.features = [torch.from_numpy(logits)]
    return float(metric.compute()[0])


def inception_score(logits, splits):
    p = np.exp(logits - logits.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    scores = []
    for part in np.array_split(p, splits):
        scores.append(np.exp((part * (np.log(part) - np.log(part.mean(0)))).sum(1).mean()))
    return {"mean": float(np.mean(scores)), "std": float(np.std(scores))}


def sliced_wasserstein(x, y, directions):
    """Squared W2 along each direction, from the quantiles of both sets at the midpoints of lcm(n, m) equal parts."""
    parts = np.lcm(len(x), len(y))
    values = []
    for u in directions / np.linalg.norm(directions, axis=1, keepdims=True):
        a, b = (np.repeat(np.sort(z @ u), parts // len(z)) for z in (x, y))
        values.append(((a - b) ** 2).mean())
    return float(np.mean(values))


def vendi(x):
    """As vendi_score.score_dual and vendi_score.score_K."""
    x = x / np.linalg.norm(x, axis=1, keepdims=True)
    values = np.linalg.eigvalsh(x @ x.T / len(x))
    values = values[values > 0]
    return float(np.exp(-(values * np.log(values)).sum()))


def memorized(training, generated, ratio):
    distances = NearestNeighbors(n_neighbors=2).fit(training).kneighbors(generated)[0]
    return float((distances[:, 0] < ratio * distances[:, 1]).mean())


def main():
    out = Path(sys.argv[1])
    x, y = features(60, 8, 1.0), 1.2 * features(45, 8, 2.0, 0.2)
    result = {
        "ssim": ssim(),
        "frechet": frechet(),
        "mmd2": mmd2(x, y),
        "mmd2Torchmetrics": float(poly_mmd(torch.from_numpy(x[:45]), torch.from_numpy(y))),
        "manifold": manifold(x, y),
        "manifoldSklearn": manifold_sklearn(x, y),
        "slicedWasserstein": sliced_wasserstein(x, y, features(50, 8, 4.0)),
        "vendi": [vendi(features(60, 8, 1.0)), vendi(features(20, 48, 1.0))],
        "memorized": [memorized(x, y, ratio) for ratio in (0.5, 0.8)],
        "infinity": infinity(),
        "inceptionScore": {str(k): inception_score(3 * features(60, 8, 1.0), k) for k in (1, 5)},
        "inceptionScoreTorchmetrics": inception_score_torchmetrics(3 * features(60, 8, 1.0)),
    }
    (out / "reference.json").write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
