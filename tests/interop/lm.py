"""Logits and loss of a language model in plain PyTorch, beside floe's.

    floe probe MODEL --text "some text" --out probe.safetensors
    python3 tests/interop/lm.py MODEL --probe probe.safetensors
    python3 tests/interop/lm.py MODEL --reference tests/data/smollm2_logits.json
    python3 tests/interop/lm.py MODEL --ids 504,3575,282

MODEL is a .gguf file or a Hugging Face directory. Ends with 1 where a logit is off by more than 1e-3.
"""

import argparse
import json
import sys

import torch
from decoder import Decoder

FAR = 1e-3


def loss(logits, ids):
    return torch.nn.functional.cross_entropy(logits[:-1].double(), torch.as_tensor(ids[1:], device=logits.device)).item()


def probe(model, path):
    from safetensors.torch import load_file

    found = load_file(path)
    ids = found["ids"].long().tolist()
    logits = model.logits(ids).cpu()
    far = (logits - found["logits"]).abs().max().item()
    same = (logits.argmax(-1) == found["logits"].argmax(-1)).float().mean().item()
    off = abs(loss(logits, ids) - found["loss"].item()) if len(ids) > 1 else 0.0
    print(f"{len(ids)} tokens: logits are off by {far:.1e} at most, the loss by {off:.1e}, {same:.0%} of the largest are the same")
    return far < FAR and off < FAR


def reference(model, path):
    good = True
    for prompt in json.load(open(path))["prompts"]:
        logits = model.logits(prompt["ids"]).cpu()
        expected = torch.tensor(prompt["last_logits_every1024"])
        far = (logits[-1, ::1024] - expected).abs().max().item()
        same = logits.argmax(-1).tolist() == prompt["argmax_each_position"]
        print(f"{prompt['prompt']!r}: logits are off by {far:.1e}, the largest are {'the same' if same else 'others'}")
        good &= far < FAR and same
    return good


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--probe")
    parser.add_argument("--reference")
    parser.add_argument("--ids")
    parser.add_argument("--double", action="store_true", help="compute in f64")
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()
    torch.backends.cuda.matmul.allow_tf32 = False
    model = Decoder(args.model, torch.float64 if args.double else torch.float32, args.device)
    good = True
    if args.probe:
        good &= probe(model, args.probe)
    if args.reference:
        good &= reference(model, args.reference)
    if args.ids:
        ids = [int(id) for id in args.ids.split(",")]
        logits = model.logits(ids)
        print("largest:", logits.argmax(-1).tolist())
        if len(ids) > 1:
            print("loss:", loss(logits, ids))
    sys.exit(not good)


if __name__ == "__main__":
    main()
