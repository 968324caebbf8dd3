"""Reference outputs of Pillow's Image.resize (BICUBIC and LANCZOS) for images from a closed formula.

    pip install pillow numpy
    python tools/parity/resample_fixture.py

Writes to packages/data/src/formats/fixtures:
- pillow-resample.npz: uint8 [h, w, C] named "<filter> <H>x<W>x<C> to <h>x<w>".
- pillow-load.npz: uint8 [s, s, C] named "<filter> <H>x<W>x<C> as <s>", the shorter side resized to s and the center
  cropped, as by Resize and CenterCrop of torchvision.
"""

import io
import sys
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools" / "extractors"))
from formula import formula_images  # noqa: E402

OUT = ROOT / "packages" / "data" / "src" / "formats" / "fixtures"
FILTERS = {"bicubic": Image.BICUBIC, "lanczos3": Image.LANCZOS}
# (height, width, channels), (new height, new width)
CASES = [
    ((9, 9, 1), (27, 27)),
    ((32, 32, 3), (96, 96)),
    ((28, 28, 1), (96, 96)),
    ((8, 12, 3), (13, 31)),
    ((5, 40, 3), (11, 17)),
    ((1, 1, 3), (4, 4)),
    ((64, 64, 3), (21, 21)),
    ((100, 100, 1), (37, 37)),
    ((96, 96, 3), (32, 32)),
    ((200, 130, 3), (96, 96)),
    ((48, 48, 1), (47, 49)),
]

# (height, width, channels), size
LOADED = [
    ((9, 9, 1), 27),
    ((9, 14, 3), 32),
    ((17, 96, 1), 48),
    ((96, 9, 3), 20),
    ((33, 20, 3), 64),
    ((20, 33, 1), 96),
    ((96, 64, 3), 9),
    ((48, 64, 3), 6),
    ((31, 45, 1), 13),
    ((45, 32, 3), 32),
    ((96, 95, 1), 64),
]


def formula_image(h, w, c):
    image = formula_images(1, max(h, w), c)[0, :h, :w]
    return Image.fromarray(image[:, :, 0] if c == 1 else image)


def load(image, size, method):
    w, h = image.size
    to_w, to_h = size * w // min(w, h), size * h // min(w, h)
    left, top = round((to_w - size) / 2), round((to_h - size) / 2)
    return image.resize((to_w, to_h), method).crop((left, top, left + size, top + size))


def write(file, arrays):
    with zipfile.ZipFile(OUT / file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in arrays.items():
            stream = io.BytesIO()
            np.save(stream, array)
            # A fixed date, so that the file is reproducible.
            info = zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0))
            archive.writestr(info, stream.getvalue(), zipfile.ZIP_DEFLATED)


def main():
    OUT.mkdir(exist_ok=True)
    resized, loaded = {}, {}
    for name, method in FILTERS.items():
        for (h, w, c), (to_h, to_w) in CASES:
            image = formula_image(h, w, c).resize((to_w, to_h), method)
            resized[f"{name} {h}x{w}x{c} to {to_h}x{to_w}"] = np.asarray(image).reshape(to_h, to_w, c)
        for (h, w, c), size in LOADED:
            image = load(formula_image(h, w, c), size, method)
            loaded[f"{name} {h}x{w}x{c} as {size}"] = np.asarray(image).reshape(size, size, c)
    write("pillow-resample.npz", resized)
    write("pillow-load.npz", loaded)


if __name__ == "__main__":
    main()
