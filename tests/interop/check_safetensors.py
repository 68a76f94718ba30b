"""Opens files that floe wrote with Python's safetensors: names, shapes, finite numbers, metadata of strings."""

import sys

import ml_dtypes  # gives numpy its bfloat16
import numpy
import safetensors
from safetensors.numpy import load_file

if len(sys.argv) < 2:
    sys.exit("usage: check_safetensors.py FILE.safetensors …")
for path in sys.argv[1:]:
    with safetensors.safe_open(path, framework="np") as file:
        metadata, shapes = file.metadata(), {name: file.get_slice(name).get_shape() for name in file.keys()}
    tensors = load_file(path)
    assert metadata["format"] == "pt", f"{path}: the format is {metadata.get('format')}"
    assert {name: list(tensor.shape) for name, tensor in tensors.items()} == shapes, path
    assert all(numpy.isfinite(tensor).all() for tensor in tensors.values()), path
    kinds = ", ".join(sorted({str(tensor.dtype) for tensor in tensors.values()}))
    print(f"ok   {len(tensors):3} tensors of {kinds}: {path}")
python = sys.version.split()[0]
print(f"{len(sys.argv) - 1} files, safetensors {safetensors.__version__}, numpy {numpy.__version__}, Python {python}")
