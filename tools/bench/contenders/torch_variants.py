"""Times several variants of a case in one process, since starting PyTorch takes longer than timing on a GPU.

The input is that of torch_train.py, with {variants: [{name, ...}]}, each of which overrides some of its fields. Prints
a line of JSON: {variants: {<name>: timing}}, with {failed: <reason>} for a variant that fails.
"""

import copy
import gc
import importlib
import json
import sys

from torch_models import load

request = json.load(sys.stdin)
variants = request.pop("variants")
case = request["case"]
module, call, versions = load(case)
measure = importlib.import_module({"training": "torch_train", "sampling": "torch_sample"}[case["kind"]]).measure

results = {}
for variant in variants:
    try:
        results[variant["name"]] = measure({**request, **variant}, (copy.deepcopy(module), call, versions))
    except Exception as error:
        results[variant["name"]] = {"failed": f"{type(error).__name__}: {str(error).strip().splitlines()[0]}"}
    gc.collect()  # modules and optimizers refer to each other
print(json.dumps({"variants": results}))
