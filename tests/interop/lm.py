"""Logits and loss of a language model in plain PyTorch, beside floe's.

    floe probe MODEL --text "some text" --out probe.safetensors
    python3 tests/interop/lm.py MODEL --probe probe.safetensors
    python3 tests/interop/lm.py MODEL --reference tests/data/smollm2_logits.json
    python3 tests/interop/lm.py MODEL --ids 504,3575,282
    python3 tests/interop/lm.py --random DIR --arch qwen2 --tied --shards 2 --dtype bf16

MODEL is a .gguf file or a Hugging Face directory; --random makes one. --reference takes an `expected.json` of such a
one, too. Ends with 1 where a logit or the loss is off by more than 1e-3, or another token is the likeliest where the two
largest are not that near, and with 2 where a file is not as tests/interop/README.md says.
"""

import argparse
import json
import sys

import tiny_lm
import torch
from decoder import Decoder

FAR = 1e-3
# The rounding of the reference's numbers is 5e-6; sums of weights are of millions.
FAR_SUM = 1e-6


def refuse(message):
    print(message, file=sys.stderr)
    sys.exit(2)


def losses(logits, ids):
    """Nats of each token but the first."""
    targets = torch.as_tensor(ids[1:], device=logits.device)
    return torch.nn.functional.cross_entropy(logits[:-1].double(), targets, reduction="none")


def compare(logits, loss, expected, expected_loss):
    """Of all positions: prints the differences, and says whether they are small."""
    far = (logits.double() - expected.double()).abs().max().item()
    largest, theirs = logits.argmax(-1), expected.argmax(-1)
    # A tie within what is allowed may fall either way.
    lost = (logits.gather(1, largest[:, None]) - logits.gather(1, theirs[:, None])).max().item()
    same = (largest == theirs).double().mean().item()
    off = abs(loss - expected_loss)
    print(f"{len(logits)} tokens: logits are off by {far:.1e} at most, the loss ({loss:.6f}) by {off:.1e}, ", end="")
    print(f"{same:.2%} of the largest are the same")
    return far <= FAR and off <= FAR and lost <= FAR


def mean_loss(logits, ids):
    return losses(logits, ids).mean().item() if len(ids) > 1 else 0.0


def checked(model, ids, shape, path):
    """A file's ids and shape are this model's."""
    words = model.w["model.embed_tokens.weight"].shape[0]
    if not ids or min(ids) < 0 or max(ids) >= words:
        refuse(f"{path}: no ids of a vocabulary of {words}")
    if list(shape) != [len(ids), words]:
        refuse(f"{path}: logits are {list(shape)}, not {[len(ids), words]}")


def probe(model, path):
    from safetensors.torch import load_file

    try:
        found = load_file(path)
    except Exception as error:
        refuse(f"{path}: {error}")
    missing = {"ids", "logits", "loss"} - set(found)
    if missing:
        refuse(f"{path}: has no {', '.join(sorted(missing))}")
    ids = found["ids"]
    if ids.double().frac().any():
        refuse(f"{path}: an id is no whole number")
    ids = ids.long().flatten().tolist()
    checked(model, ids, found["logits"].shape, path)
    logits = model.logits(ids).cpu()
    return compare(logits, mean_loss(logits, ids), found["logits"], found["loss"].item())


def expected(model, path, file):
    theirs = torch.tensor(file["logits"], dtype=torch.float64)
    checked(model, file["ids"], theirs.shape, path)
    logits = model.logits(file["ids"]).cpu()
    return compare(logits, mean_loss(logits, file["ids"]), theirs, file["loss"])


def weights(model, file):
    """Sums and first numbers of some tensors."""
    parts = {"emb": "model.embed_tokens"}
    for name in file:
        layer, _, part = name.partition(".")
        if part:
            room = "self_attn" if part in "qkvo" else "mlp"
            parts[name] = f"model.layers.{layer}.{room}.{part}_proj"
    good = True
    for name, theirs in file.items():
        value = model.w[f"{parts[name]}.weight"].double().cpu()
        total = value.abs().sum().item()
        off = abs(value.sum().item() - theirs["sum"]) + abs(total - theirs["abs_sum"])
        first = (value.flatten()[:8] - torch.tensor(theirs["first8"], dtype=torch.float64)).abs().max().item()
        last = (value.flatten()[-4:] - torch.tensor(theirs["last4"], dtype=torch.float64)).abs().max().item()
        fine = list(value.shape) == theirs["shape"] and off <= FAR_SUM * total and max(first, last) < 1e-7
        print(f"{name}: sums are off by {off / total:.1e} of them, numbers by {max(first, last):.1e}")
        good &= fine
    return good


def prompts(model, file):
    good = True
    for prompt in file:
        logits = model.logits(prompt["ids"]).cpu().double()
        last = logits[-1]
        names = ("last_logits_first32", "last_logits_every1024", "last_logsumexp", "nll_next")
        ours = (last[:32], last[::1024], last.logsumexp(-1), losses(logits, prompt["ids"]))
        theirs = [torch.tensor(prompt[name], dtype=torch.float64) for name in names]
        offs = [(a - b).abs().max().item() for a, b in zip(ours, theirs, strict=True)]
        same = logits.argmax(-1).tolist() == prompt["argmax_each_position"]
        print(f"{prompt['prompt']!r}: logits are off by {max(offs[:2]):.1e}, losses by {max(offs[2:]):.1e}, ", end="")
        print(f"the largest are {'the same' if same else 'others'}")
        good &= same and all(off <= FAR for off in offs)
    return good


def reference(model, path):
    with open(path) as text:
        file = json.load(text)
    if "logits" in file:
        return expected(model, path, file)
    good = weights(model, file["weights"])
    return prompts(model, file["prompts"]) and good


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?")
    parser.add_argument("--probe", metavar="FILE.safetensors")
    parser.add_argument("--reference", metavar="FILE.json")
    parser.add_argument("--ids", metavar="1,2,3")
    parser.add_argument("--random", metavar="DIR", help="write a tiny random model there")
    parser.add_argument("--double", action="store_true", help="compute in f64")
    parser.add_argument("--device", default="cpu")
    tiny_lm.options(parser)
    args = parser.parse_args()
    if args.random:
        return tiny_lm.random(args)
    if not args.model or not (args.probe or args.reference or args.ids):
        parser.error("give a model and one of --probe, --reference and --ids, or --random")
    torch.backends.cuda.matmul.allow_tf32 = False
    model = Decoder(args.model, torch.float64 if args.double else torch.float32, args.device)
    good = True
    if args.probe:
        good &= probe(model, args.probe)
    if args.reference:
        good &= reference(model, args.reference)
    if args.ids:
        ids = [int(id) for id in args.ids.split(",")]
        logits = model.logits(ids).cpu()
        print("largest:", logits.argmax(-1).tolist())
        if len(ids) > 1:
            print("loss:", mean_loss(logits, ids))
    sys.exit(not good)


if __name__ == "__main__":
    main()
