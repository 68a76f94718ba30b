"""Fine-tunes a model in plain PyTorch on given batches and prints its losses beside those that a file expects.

    python3 tests/interop/finetune.py MODEL tests/data/smollm2_finetune.json v_3e-4_30_1 [--double] [--steps 30]

A batch is sequences of tokens, each with the place of its first token that counts; the loss is the mean over all that count. AdamW
as the file's runs have it: betas 0.9 and 0.999, eps 1e-8, no decay, no clipping, no warm-up.
"""

import argparse
import json
import math

import torch
from decoder import Decoder

PARTS = {"q": "q_proj", "k": "k_proj", "v": "v_proj", "o": "o_proj"}


def hidden(model, sequence):
    """[T, C]: what the head is given, with its gradient."""
    positions = torch.arange(len(sequence))
    x = model.w["model.embed_tokens.weight"][torch.tensor(sequence)]
    for layer in range(model.layers):
        name = f"model.layers.{layer}"
        x = x + model.attention(model.norm(x, f"{name}.input_layernorm"), f"{name}.self_attn", None, positions)
        h = model.norm(x, f"{name}.post_attention_layernorm")
        gate = torch.nn.functional.silu(model.linear(h, f"{name}.mlp.gate_proj"))
        x = x + model.linear(gate * model.linear(h, f"{name}.mlp.up_proj"), f"{name}.mlp.down_proj")
    return model.norm(x, "model.norm")


def loss_of(model, batch):
    rows, targets = [], []
    for first, *sequence in batch:
        rows.append(hidden(model, sequence)[first - 1 : -1])
        targets += sequence[first:]
    logits = model.linear(torch.cat(rows), "model.embed_tokens" if model.tied else "lm_head")
    return torch.nn.functional.cross_entropy(logits, torch.tensor(targets))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("data")
    parser.add_argument("run")
    parser.add_argument("--double", action="store_true", help="all in f64")
    parser.add_argument("--steps", type=int)
    args = parser.parse_args()
    with open(args.data) as file:
        data = json.load(file)
    run = data["runs"][args.run]
    model = Decoder(args.model, dtype=torch.float64 if args.double else torch.float32)
    names = [f"model.layers.{i}.self_attn.{PARTS[p]}.weight" for i in range(model.layers) for p in run["set"]]
    for name in names:
        model.w[name] = model.w[name].clone().requires_grad_(True)
    optimizer = torch.optim.AdamW([model.w[n] for n in names], lr=run["lr"], betas=(0.9, 0.999), weight_decay=0)
    found, worst = [], 0.0
    for batch, expected in list(zip(data["batches"], run["loss"]))[: args.steps]:
        loss = loss_of(model, batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        found.append(round(loss.item(), 6))
        worst = max(worst, abs(loss.item() - expected))
        if not math.isfinite(loss.item()):
            raise SystemExit("the loss is not finite")
    print(json.dumps(found))
    print(f"{len(found)} losses, at most {worst:.1e} from the file's")


if __name__ == "__main__":
    main()
