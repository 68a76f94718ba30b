"""PyTorch's side of the language models' rows: a JSON line of medians.

    python3 benches/peers/torch_lm.py MODEL [--device cuda] [--threads 2] [--rows product,forward,decode] [--form lean]

Eager f32 without TF32; on a card, products in f16 too. Needs torch and numpy. Forms of the decoder: `plain` is
tests/interop/decoder.py, from the definition; `lean` the same with torch's fused attention, a cache that is made once
and rotations that are computed once.
"""

import argparse
import json
import os
import pathlib
import statistics
import sys
import time

# Threads that spin at barriers are ruinous when anything else runs.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import torch  # noqa: E402

sys.path.append(str(pathlib.Path(__file__).resolve().parents[2] / "tests" / "interop"))
from decoder import Decoder  # noqa: E402

F = torch.nn.functional
TOKENS = 512
PROMPT, NEW = 32, 64
# Rows of the product, its columns, the length of a sum.
SIZES = [(1024, 1024, 1024), (4096, 688, 256)]
LARGE = (4096, 4096, 4096)


class Lean(Decoder):
    """The same decoder as one would write it for speed, still eager."""

    def __init__(self, *args):
        super().__init__(*args)
        i = torch.arange(self.dim // 2, device=self.device, dtype=torch.float64)
        angles = torch.arange(TOKENS, device=self.device)[:, None].double() * self.theta ** (-2 * i / self.dim)
        self.cos, self.sin = (f(angles).to(self.dtype)[:, None] for f in (torch.cos, torch.sin))
        # The host knows where a token stands: no number is read back from a card for it.
        self.past = 0

    def norm(self, x, name):
        return F.rms_norm(x, x.shape[-1:], self.w[f"{name}.weight"], self.eps)

    def turn(self, x, positions):
        part = slice(self.past, self.past + x.shape[0])
        low, high = x.chunk(2, -1)
        cos, sin = self.cos[part], self.sin[part]
        return torch.cat([low * cos - high * sin, high * cos + low * sin], -1)

    def attention(self, h, name, cache, positions):
        t, past = h.shape[0], self.past
        q = self.turn(self.linear(h, f"{name}.q_proj").view(t, self.heads, self.dim), positions)
        k = self.turn(self.linear(h, f"{name}.k_proj").view(t, self.groups, self.dim), positions)
        v = self.linear(h, f"{name}.v_proj").view(t, self.groups, self.dim)
        if cache is not None:
            if name not in cache:
                cache[name] = torch.empty(2, TOKENS, self.groups, self.dim, device=h.device, dtype=h.dtype)
            cache[name][0, past : past + t], cache[name][1, past : past + t] = k, v
            k, v = cache[name][:, : past + t]
        assert t == 1 or past == 0
        # With a batch, so that the fused kernels take it.
        q, k, v = (x.transpose(0, 1)[None] for x in (q, k, v))
        out = F.scaled_dot_product_attention(q, k, v, is_causal=t > 1, enable_gqa=self.heads != self.groups)
        return self.linear(out[0].transpose(0, 1).reshape(t, -1), f"{name}.o_proj")

    def logits(self, ids, cache=None, past=0, last=False):
        self.past = past
        return super().logits(ids, cache, past, last)


def waiting(device):
    return torch.cuda.synchronize if device == "cuda" else lambda: None


def timed(work, device, least=5, seconds=3.0):
    """Median seconds of a call, after two that warm up."""
    wait = waiting(device)
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
    """GFLOP/s of left · right, of which NT has the right one transposed, TN the left."""
    rows = {}
    for m, n, k in sizes:
        for form in ("NN", "NT", "TN"):
            a = torch.randn((k, m) if form == "TN" else (m, k), device=device, dtype=dtype)
            b = torch.randn((n, k) if form == "NT" else (k, n), device=device, dtype=dtype)
            left, right = (a.T if form == "TN" else a), (b.T if form == "NT" else b)
            name = f"{form} {m}x{k}->{n} {str(dtype).split('.')[-1]}"
            rows[name] = 2e-9 * m * n * k / timed(lambda: left @ right, device, seconds=1.0)
    return rows


def forward(model, ids, device):
    """Tokens a second of a whole pass: logits alone, and losses as `floe bench --model` has them."""
    targets = torch.as_tensor(ids[1:], device=device)
    return {
        "forward_tokens_s": len(ids) / timed(lambda: model.logits(ids), device),
        "losses_tokens_s": len(ids) / timed(lambda: F.cross_entropy(model.logits(ids)[:-1], targets), device),
    }


def greedy(model, ids, device):
    """Seconds of the tokens behind the first, which the prompt's pass gives."""
    cache = {}
    word = model.logits(ids, cache, last=True).argmax(-1).item()
    start = time.perf_counter()
    for at in range(len(ids), len(ids) + NEW - 1):
        word = model.logits([word], cache, at, last=True).argmax(-1).item()
    waiting(device)()
    return time.perf_counter() - start


def decode(model, ids, device, runs):
    """Tokens a second: greedily behind a short prompt, and a single one behind many."""
    greedy(model, ids[:PROMPT], device)
    seconds = statistics.median(greedy(model, ids[:PROMPT], device) for _ in range(runs))
    cache = {}
    model.logits(ids[:-1], cache)

    def one():
        seen = dict(cache)
        model.logits(ids[-1:], seen, len(ids) - 1, last=True).argmax(-1).item()

    return {"decode_tokens_s": (NEW - 1) / seconds, "behind_tokens_s": 1 / timed(one, device)}


def check(model, ids, path):
    """The lean form's logits, whole and token by token, are those of the plain one."""
    expected, cache = Decoder(path, model.dtype, model.device).logits(ids), {}
    rows = [model.logits(ids[:PROMPT], cache)]
    rows += [model.logits([word], cache, at) for at, word in enumerate(ids) if at >= PROMPT]
    off = max((found - expected).abs().max().item() for found in (model.logits(ids), torch.cat(rows)))
    print(f"lean and plain differ by {off:.1e}", file=sys.stderr)
    if not off < 1e-3:
        sys.exit(1)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", help="a .gguf file; not needed for products")
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rows", default="product,forward,decode")
    parser.add_argument("--form", default="lean", choices=["plain", "lean"])
    parser.add_argument("--runs", type=int, default=3, help="runs of the greedy decoding")
    parser.add_argument("--check", action="store_true", help="compare the forms and measure nothing")
    args = parser.parse_args()
    wanted = set(args.rows.split(","))
    if wanted - {"product", "forward", "decode"}:
        parser.error("--rows takes product, forward and decode")
    torch.set_num_threads(args.threads)
    torch.set_float32_matmul_precision("highest")
    torch.backends.cuda.matmul.allow_tf32 = False
    out = {"peer": f"torch {torch.__version__}", "form": args.form, "device": args.device, "threads": args.threads}
    on_card = args.device == "cuda"
    if on_card:
        out["card"] = torch.cuda.get_device_name()
    needs = args.check or wanted & {"forward", "decode"}
    if needs and not args.model:
        parser.error("give a model, or --rows product")
    with torch.inference_mode():
        if needs:
            model = (Lean if args.form == "lean" or args.check else Decoder)(args.model, torch.float32, args.device)
            ids = [i * 7919 % model.w["model.embed_tokens.weight"].shape[0] for i in range(TOKENS)]
        if args.check:
            return check(model, ids[: 2 * PROMPT], args.model)
        if "product" in wanted:
            out["gflops"] = products(args.device, SIZES + [LARGE] * on_card, torch.float32)
            if on_card:
                out["gflops"] |= products(args.device, [*SIZES, LARGE], torch.float16)
        if "forward" in wanted:
            out |= forward(model, ids, args.device)
        if "decode" in wanted:
            out |= decode(model, ids, args.device, args.runs)
    out["load"] = os.getloadavg()[0]
    print(json.dumps(out))


if __name__ == "__main__":
    main()
