"""Training steps of floe's linear-attention decoders beside PyTorch's, eager, in the same chunked form on the same machine.

    python3 benches/peers/linear.py TEXT [--floe target/release/floe] [--mixer gated_delta] [--threads 2] [--pairs 3]
        [--hidden 256] [--layers 4] [--heads 4] [--mlp 688] [--vocab 4096] [--tokens 512] [--batch 8] [--chunk 64]

Both train in f32 with AdamW and clipping on rows of so many tokens, in turns, after PyTorch's loss of floe's own weights is held
against floe's. Prints tokens a second of each, pair by pair, and floe's share of PyTorch's. --masks times floe with the value
projections alone too. Chunked form: Yang et al. 2024 (arXiv 2406.06484, 2412.06464), by torch.matmul over [B, H, chunks, c, D].
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import torch
import torch.nn.functional as F


def chunked(q, k, v, g, beta, scale, c, mean):
    """q, k, v [B, H, T, D]; g, beta [B, H, T] or none; a sequence each."""
    B, H, T, D = q.shape
    n = T // c
    q, k, v = (x.reshape(B, H, n, c, D) for x in (q, k, v))
    b = None if g is None else g.reshape(B, H, n, c).cumsum(-1)
    lower = torch.ones(c, c, dtype=torch.bool, device=q.device).tril()
    seen = q @ k.transpose(-1, -2)
    if b is not None:
        w = (b[..., :, None] - b[..., None, :]).masked_fill(~lower, float("-inf")).exp()
        seen = seen * w
    seen = seen.masked_fill(~lower, 0.0) * scale
    qe = q * scale if b is None else q * b.exp()[..., None] * scale
    if mean:
        t = torch.arange(1, T + 1, dtype=q.dtype, device=q.device).reshape(n, c, 1)
        seen, qe = seen / t, qe / t
    kf = k if b is None else k * (b[..., -1:] - b).exp()[..., None]
    last = None if b is None else b[..., -1].exp()[..., None, None]
    S = q.new_zeros(B, H, D, D)
    if beta is None:
        added = kf.transpose(-1, -2) @ v
        states = []
        for i in range(n):
            states.append(S)
            S = (S if last is None else S * last[:, :, i]) + added[:, :, i]
        states = torch.stack(states, 2)
        return (qe @ states + seen @ v).reshape(B, H, T, D)
    beta = beta.reshape(B, H, n, c, 1)
    A = (beta * k) @ k.transpose(-1, -2)
    if b is not None:
        A = A * w
    A = A.masked_fill(~lower.tril(-1), 0.0)
    eye = torch.eye(c, dtype=q.dtype, device=q.device).expand_as(A)
    inverse = torch.linalg.solve_triangular(A + eye, eye, upper=False, unitriangular=True)
    u = inverse @ (beta * v)
    y = inverse @ (beta * (k if b is None else k * b.exp()[..., None]))
    out = []
    for i in range(n):
        r = u[:, :, i] - y[:, :, i] @ S
        out.append(qe[:, :, i] @ S + seen[:, :, i] @ r)
        S = (S if last is None else S * last[:, :, i]) + kf[:, :, i].transpose(-1, -2) @ r
    return torch.stack(out, 2).reshape(B, H, T, D)


def rotate(x, theta=1e4):
    T, D = x.shape[-2:]
    angle = torch.arange(T, dtype=torch.float64)[:, None] * theta ** (-2 * torch.arange(D // 2, dtype=torch.float64) / D)
    cos, sin = angle.cos().to(x), angle.sin().to(x)
    low, high = x.chunk(2, -1)
    return torch.cat([low * cos - high * sin, high * cos + low * sin], -1)


def unit(x):
    return x / (x.square().sum(-1, keepdim=True) + 1e-6).sqrt()


def norm(x, w, eps):
    return x * (x.square().mean(-1, keepdim=True) + eps).rsqrt() * w


class Decoder:
    """By its definition, from a directory that floe has written."""

    def __init__(self, directory, chunk):
        from safetensors.torch import load_file

        self.c = json.loads((directory / "config.json").read_text())
        self.chunk = chunk
        self.p = {k: v.requires_grad_() for k, v in load_file(str(directory / "model.safetensors")).items()}

    def loss(self, ids):
        c, p = self.c, self.p
        B, T = ids.shape
        H, G, D = c["num_attention_heads"], c["num_key_value_heads"], c["head_dim"]
        eps = c["rms_norm_eps"]
        x = F.embedding(ids, p["model.embed_tokens.weight"])
        heads = lambda y, n: y.reshape(B, T, n, -1).transpose(1, 2)
        for i, mixer in enumerate(c.get("mixers", ["softmax"] * c["num_hidden_layers"])):
            w = lambda name: p[f"model.layers.{i}.{name}"]
            h = norm(x, w("input_layernorm.weight"), eps)
            q, k, v = (heads(h @ w(f"self_attn.{l}_proj.weight").T, n) for l, n in (("q", H), ("k", G), ("v", G)))
            g = beta = None
            of = lambda name: (h @ w(f"self_attn.{name}.weight").T).transpose(1, 2)
            if mixer == "gated":
                g = F.logsigmoid(of("g_proj") + w("self_attn.g_proj.bias")[:, None]) / 16
            if mixer == "retention":
                g = torch.log1p(-(2.0 ** (-5 - torch.arange(H, dtype=torch.float64)))).to(x)[None, :, None].expand(B, H, T)
            if mixer == "gated_delta":
                g = -w("self_attn.A_log").exp()[:, None] * F.softplus(of("a_proj") + w("self_attn.dt_bias")[:, None])
            if mixer in ("delta", "gated_delta"):
                beta, q, k = of("b_proj").sigmoid(), unit(q), unit(k)
            if mixer in ("softmax", "retention"):
                q, k = rotate(q), rotate(k)
            k, v = (y.repeat_interleave(H // G, 1) for y in (k, v))
            if mixer == "softmax":
                o = F.scaled_dot_product_attention(q, k, v, is_causal=True)
            else:
                o = chunked(q, k, v, g, beta, D**-0.5, self.chunk, mixer == "linear" and c["normaliser"] == "mean")
            x = x + o.transpose(1, 2).reshape(B, T, -1) @ w("self_attn.o_proj.weight").T
            h = norm(x, w("post_attention_layernorm.weight"), eps)
            x = x + (F.silu(h @ w("mlp.gate_proj.weight").T) * (h @ w("mlp.up_proj.weight").T)) @ w("mlp.down_proj.weight").T
        head = p.get("lm_head.weight", p["model.embed_tokens.weight"])
        logits = norm(x, p["model.norm.weight"], eps)[:, :-1] @ head.T
        return F.cross_entropy(logits.reshape(-1, logits.shape[-1]), ids[:, 1:].reshape(-1))


def floe(args, folder, steps, train='["*"]'):
    toml = f"""
[model]
kind = "decoder"
mixer = "{args.mixer}"
hidden_size = {args.hidden}
num_hidden_layers = {args.layers}
num_attention_heads = {args.heads}
head_dim = {args.hidden // args.heads}
intermediate_size = {args.mlp}
max_position_embeddings = {args.tokens}
vocab_size = {args.vocab}
[task]
kind = "text"
train = [{json.dumps(str(pathlib.Path(args.text).resolve()))}]
context = {args.tokens}
[finetune]
steps = {steps}
batch = {args.batch}
keep = "last"
optimizer.lr = 1e-3
[eval]
every = 1000000
rows = 8
sample_tokens = 0
[record]
checkpoint_every = 1000000
[[methods]]
name = "m"
train = {train}
"""
    path, out = folder / "e.toml", folder / "run"
    path.write_text(toml)
    subprocess.run(["rm", "-rf", str(out)], check=True)
    done = subprocess.run([args.floe, "run", str(path), "--out", str(out)], capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    method = json.loads((out / "methods.json").read_text())["methods"][0]
    return method["tokens"] / method["train_s"], out / "models/m"


def main():
    cli = argparse.ArgumentParser()
    cli.add_argument("text")
    cli.add_argument("--floe", default="target/release/floe")
    cli.add_argument("--mixer", default="gated_delta")
    for name, value in dict(
        threads=2, pairs=3, steps=4, hidden=256, layers=4, heads=4, mlp=688, vocab=4096, tokens=512, batch=8, chunk=64
    ).items():
        cli.add_argument(f"--{name}", type=int, default=value)
    cli.add_argument("--masks", action="store_true")
    args = cli.parse_args()
    torch.set_num_threads(args.threads)
    folder = pathlib.Path(tempfile.mkdtemp())
    _, directory = floe(args, folder, 1)
    from tokenizers import Tokenizer

    text = open(args.text).read()[:2_000_000]
    ids = Tokenizer.from_file(str(directory / "tokenizer.json")).encode(text).ids
    count = args.batch * args.tokens
    model = Decoder(directory, args.chunk)
    # The same loss of the same weights on the same tokens.
    piece = folder / "piece.txt"
    piece.write_text(Tokenizer.from_file(str(directory / "tokenizer.json")).decode(ids[: args.tokens]))
    own = subprocess.run(
        [args.floe, "eval", str(directory), "--text", str(piece), "--context", str(args.tokens)], capture_output=True, text=True
    )
    again = Tokenizer.from_file(str(directory / "tokenizer.json")).encode(piece.read_text()).ids
    whole = len(again) // args.chunk * args.chunk
    with torch.no_grad():
        loss = model.loss(torch.tensor([again[:whole]]))
        row = own.stdout.strip().splitlines()[-1].split() if own.returncode == 0 else sys.exit(own.stderr)
        print(f"loss of floe's weights on {whole} tokens: {loss:.5f} by PyTorch; floe eval: {row[3]} ({row[2]} tokens)")
    optimizer = torch.optim.AdamW(model.p.values(), lr=1e-3, betas=(0.9, 0.999), weight_decay=0.0)

    def torch_speed():
        times = []
        for step in range(args.steps + 1):
            batch = torch.tensor(ids[step * count % (len(ids) - count) :][:count]).reshape(args.batch, args.tokens)
            began = time.time()
            optimizer.zero_grad(set_to_none=True)
            model.loss(batch).backward()
            torch.nn.utils.clip_grad_norm_(list(model.p.values()), 1.0)
            optimizer.step()
            times.append(time.time() - began)
        return count / statistics.median(times[1:])

    ratios = []
    for pair in range(args.pairs):
        if pair % 2:
            theirs = torch_speed()
            ours, _ = floe(args, folder, args.steps + 2)
        else:
            ours, _ = floe(args, folder, args.steps + 2)
            theirs = torch_speed()
        ratios.append(ours / theirs)
        line = f"{args.mixer}: floe {ours:.0f}, PyTorch {theirs:.0f} tokens/s: {ours / theirs:.2f}"
        if args.masks:
            values, _ = floe(args, folder, args.steps + 2, '["*.v_proj.weight"]')
            line += f"; values alone {values:.0f} ({ours / values:.2f} of the time)"
        print(line, flush=True)
    print(f"median {statistics.median(ratios):.2f}")


main()
