"""Reference outputs of Pillow's Image.resize (BICUBIC and LANCZOS) for images from a closed formula.

    pip install pillow numpy
    python tools/parity/resample_fixture.py

Writes packages/data/src/formats/fixtures/pillow-resample.npz: uint8 [h, w, C] named "<filter> <H>x<W>x<C> to <h>x<w>".
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

OUT = ROOT / "packages" / "data" / "src" / "formats" / "fixtures" / "pillow-resample.npz"
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


def main():
    OUT.parent.mkdir(exist_ok=True)
    with zipfile.ZipFile(OUT, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, method in FILTERS.items():
            for (h, w, c), (to_h, to_w) in CASES:
                image = formula_images(1, max(h, w), c)[0, :h, :w]
                pil = Image.fromarray(image[:, :, 0] if c == 1 else image)
                resized = np.asarray(pil.resize((to_w, to_h), method)).reshape(to_h, to_w, c)
                stream = io.BytesIO()
                np.save(stream, resized)
                # A fixed date, so that the file is reproducible.
                info = zipfile.ZipInfo(f"{name} {h}x{w}x{c} to {to_h}x{to_w}.npy", (1980, 1, 1, 0, 0, 0))
                archive.writestr(info, stream.getvalue(), zipfile.ZIP_DEFLATED)


if __name__ == "__main__":
    main()
