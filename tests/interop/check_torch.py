#!/usr/bin/env python3
"""Checks a floe model against plain PyTorch: predictions, loss and gradients, from the definition, in float64.

usage: check_torch.py CHECKPOINT PROBE [--tolerance 1e-4]

Exits with 0 where everything agrees, 1 where something does not, 2 where a file is not what README.md describes.
"""

import argparse
import sys

import torch
from safetensors import safe_open

GRADIENT = "grad."


def load(path):
    """The tensors of a safetensors file that floe wrote, by name, in float64."""
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name).double() for name in file.keys()}
    except Exception as error:
        refuse(f"{path}: {error}")
    # Files of versions 1 and 2 have floe's name as their format.
    if "floe" not in metadata and metadata.get("format") != "floe":
        refuse(f"{path}: not written by floe (its metadata does not say so)")
    return tensors


def refuse(message):
    print(message, file=sys.stderr)
    sys.exit(2)


def layers(parameters):
    """[(V, Q)] by layer, each [H, D, D]; Q = W_Q^T W_K where query and key are separate."""
    found = []
    while f"layers.{len(found)}.attn.v" in parameters:
        prefix = f"layers.{len(found)}.attn."
        if prefix + "qk" in parameters:
            qk = parameters[prefix + "qk"]
        else:
            qk = parameters[prefix + "q"].transpose(1, 2) @ parameters[prefix + "k"]
        found.append((parameters[prefix + "v"], qk))
    return found


def predict(parameters, tokens):
    """The last coordinate of the last token: tokens [B, N, D] to [B]. Every token attends to every token."""
    z = tokens
    for v, qk in layers(parameters):
        heads, n = v.shape[0], z.shape[1]
        attention = torch.einsum("bai,hij,bcj->bhac", z, qk, z)
        value = torch.einsum("hij,bcj->bhci", v, z)
        z = z + torch.einsum("bhac,bhci->bai", attention, value) / (heads * n)
    return z[:, -1, -1]


def expected(parameters, probe):
    """What the probe should hold: predictions, loss and the gradient of every parameter."""
    tokens, targets = probe["tokens"], probe["targets"]
    zs_weight, fs_weight = probe["weights"].tolist()
    predictions = {"zs": predict(parameters, tokens[:, -1:]), "fs": predict(parameters, tokens)}
    mse = {name: ((pred - targets) ** 2).mean() for name, pred in predictions.items()}
    loss = zs_weight * mse["zs"] + fs_weight * mse["fs"]
    loss.backward()
    out = {f"predictions.{name}": pred.detach() for name, pred in predictions.items()}
    out["loss"] = loss.detach().reshape(1)
    out.update({GRADIENT + name: parameter.grad for name, parameter in parameters.items()})
    return out


def relative_error(got, want):
    """max |got - want| / max |want|; infinite where a shape differs or an entry is not finite."""
    if got.shape != want.shape or not torch.isfinite(got).all() or not torch.isfinite(want).all():
        return float("inf")
    difference, scale = (got - want).abs().max().item(), want.abs().max().item()
    return difference / scale if scale > 0 else difference


def main():
    options = argparse.ArgumentParser(description="Check a floe model against plain PyTorch.")
    options.add_argument("checkpoint")
    options.add_argument("probe")
    options.add_argument("--tolerance", type=float, default=1e-4, help="largest relative error (default: 1e-4)")
    options = options.parse_args()
    probe = load(options.probe)
    parameters = {name: t.requires_grad_() for name, t in load(options.checkpoint).items() if ".attn." in name}
    inputs = ["tokens", "targets", "weights"]
    missing = [name for name in [*inputs, "loss"] if name not in probe]
    if missing:
        refuse(f"{options.probe}: no tensor {missing[0]}")
    if not any(name.startswith(GRADIENT) for name in probe):
        refuse(f"{options.probe}: no gradient to compare")
    want = expected(parameters, probe)
    results = [name for name in probe if name not in inputs]
    unknown = [name for name in results if name not in want]
    if unknown:
        refuse(f"{options.probe}: {unknown[0]} is no result of this checkpoint")
    failed = 0
    for name in sorted(results):
        error = relative_error(probe[name], want[name])
        passed = error <= options.tolerance
        failed += not passed
        print(f"{'ok  ' if passed else 'FAIL'} {name:<28} relative error {error:.2e}")
    frozen = [name for name in want if name.startswith(GRADIENT) and name not in probe]
    if frozen:
        print(f"not in the probe (frozen): {', '.join(frozen)}")
    print(f"{len(results) - failed} of {len(results)} agree within {options.tolerance:g}, torch {torch.__version__}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
