"""PyTorch's side of the language models' rows: a JSON line of medians.

    python3 benches/peers/torch_lm.py MODEL [--device cuda] [--threads 2] [--rows product,forward,decode]

Eager f32 (TF32 off), the decoder of tests/interop/decoder.py.
"""

import argparse
import json
import pathlib
import statistics
import sys
import time

import torch

sys.path.append(str(pathlib.Path(__file__).parents[2] / "tests" / "interop"))
from decoder import Decoder  # noqa: E402

TOKENS = 512
SIZES = [(1024, 1024, 1024), (4096, 688, 256)]


def timed(work, device, least=5, seconds=3.0):
    """Median seconds of a call, after two that warm up."""
    wait = torch.cuda.synchronize if device == "cuda" else lambda: None
    times, began = [], time.perf_counter()
    for turn in range(1000):
        wait()
        start = time.perf_counter()
        work()
        wait()
        if turn > 1:
            times.append(time.perf_counter() - start)
        if len(times) >= least and time.perf_counter() - began > seconds:
            break
    return statistics.median(times)


def products(device, sizes, dtype):
    rows = {}
    for m, n, k in sizes:
        for form in ("NN", "NT", "TN"):
            a = torch.randn((k, m) if form == "TN" else (m, k), device=device, dtype=dtype)
            b = torch.randn((n, k) if form == "NT" else (k, n), device=device, dtype=dtype)
            left, right = (a.T if form == "TN" else a), (b.T if form == "NT" else b)
            name = f"{form} {m}x{k}->{n} {str(dtype).split('.')[-1]}"
            rows[name] = 2e-9 * m * n * k / timed(lambda: left @ right, device, seconds=1.0)
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rows", default="product,forward,decode")
    args = parser.parse_args()
    wanted = args.rows.split(",")
    torch.set_num_threads(args.threads)
    torch.backends.cuda.matmul.allow_tf32 = False
    out = {"torch": torch.__version__, "device": args.device}
    if "product" in wanted:
        large = [(4096, 4096, 4096)] if args.device == "cuda" else []
        out["gflops"] = products(args.device, SIZES + large, torch.float32)
        if large:
            out["gflops"] |= products(args.device, large, torch.float16)
    if {"forward", "decode"} & set(wanted):
        model = Decoder(args.model, torch.float32, args.device)
        ids = [i * 7919 % model.w["model.embed_tokens.weight"].shape[0] for i in range(TOKENS)]
        if "forward" in wanted:
            targets = torch.as_tensor(ids[1:], device=args.device)
            work = lambda: torch.nn.functional.cross_entropy(model.logits(ids)[:-1], targets)
            out["forward_tokens_s"] = TOKENS / timed(work, args.device)
        if "decode" in wanted:
            cache = {}
            model.logits(ids[:-1], cache)

            def one():
                seen = dict(cache)
                model.logits(ids[-1:], seen, TOKENS - 1, last=True).argmax(-1).item()

            out["decode_tokens_s"] = 1 / timed(one, args.device)
    print(json.dumps(out))


if __name__ == "__main__":
    main()
