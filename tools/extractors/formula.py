"""Images from a closed formula in integer arithmetic, as in packages/eval/src/testing/images.ts."""

import numpy as np


def formula_images(count, size, channels=3):
    """Returns uint8 [count, size, size, channels]."""
    n, y, x, c = np.ogrid[0:count, 0:size, 0:size, 0:channels]
    return ((x * x * (n + 1) + 3 * y * y + 5 * x * y * c + 31 * c * n) // 16 % 256).astype(np.uint8)
