"""Reads a log folder with TensorBoard's reader and prints scalars, images, and histograms as JSON, one row per step.

    python tools/parity/tensorboard_read.py runs/mnist

Needs tensorboard. Used by packages/trainer/src/logs/run-log.test.ts.
"""

import json
import struct
import sys

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

# 0 loads everything; the defaults load a sample.
found = EventAccumulator(sys.argv[1], {"scalars": 0, "images": 0, "histograms": 0})
found.Reload()
tags = found.Tags()


def image(event):
    """[step, width, height, bytes]. The sizes in the PNG and in the event must agree."""
    width, height = struct.unpack(">II", event.encoded_image_string[16:24])
    assert (width, height) == (event.width, event.height), event
    return [event.step, width, height, len(event.encoded_image_string)]


print(
    json.dumps(
        {
            "scalars": {t: [[e.step, e.value] for e in found.Scalars(t)] for t in tags["scalars"]},
            "images": {t: [image(e) for e in found.Images(t)] for t in tags["images"]},
            "histograms": {
                t: [[e.step, list(e.histogram_value.bucket_limit), list(e.histogram_value.bucket)] for e in found.Histograms(t)]
                for t in tags["histograms"]
            },
        }
    )
)
