"""Fine-tuning steps of floe beside PyTorch's on the same machine: everything, value projections alone, LoRA on all seven projections.

    python3 benches/peers/finetune.py DIR TEXT [--floe target/release/floe] [--device cpu|cuda] [--batch 8] [--tokens 64] [--pairs 2]

DIR is a Hugging Face directory (one that `floe run` has written will do), TEXT a file of plain text. Both train in f32 with AdamW
and clipping, on rows of so many tokens, in turns; PyTorch eagerly, by transformers and peft. Prints tokens a second of each
and floe's share of PyTorch's, medians over the pairs.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

WHAT = ("everything", "values", "lora")
ALL = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def floe(args, what, folder):
    method = {
        "everything": 'train = ["*"]',
        "values": 'train = ["*.v_proj.weight"]',
        "lora": f"lora = {{ rank = 8, targets = {json.dumps(ALL)} }}",
    }[what]
    toml = f"""
[model]
from = {json.dumps(str(pathlib.Path(args.directory).resolve()))}
[task]
kind = "text"
train = [{json.dumps(str(pathlib.Path(args.text).resolve()))}]
context = {args.tokens}
[finetune]
steps = {args.steps}
batch = {args.batch}
keep = "last"
optimizer.lr = 1e-5
[eval]
every = 1000000
rows = 1
sample_tokens = 0
[record]
checkpoint_every = 1000000
dtype = "bf16"
[[methods]]
name = "m"
{method}
"""
    path, out = pathlib.Path(folder) / "e.toml", pathlib.Path(folder) / "run"
    path.write_text(toml)
    subprocess.run(["rm", "-rf", str(out)], check=True)
    command = [args.floe, "run", str(path), "--out", str(out)] + (args.floe_args.split() if args.floe_args else [])
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    method = json.loads((out / "methods.json").read_text())["methods"][0]
    held, planned = method["held"], sum(b for _, b in method["planned"])
    return method["tokens"] / method["train_s"], f"planned {planned * 1e-9:.2f} GB, held {held * 1e-9:.2f}"


def torch_steps(args, what):
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_pretrained(args.directory, dtype=torch.float32).to(args.device)
    if what == "lora":
        from peft import LoraConfig, get_peft_model

        model = get_peft_model(model, LoraConfig(r=8, lora_alpha=16, target_modules=ALL, task_type="CAUSAL_LM"))
    elif what == "values":
        for name, p in model.named_parameters():
            p.requires_grad_("v_proj" in name)
    model.train()
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-5, weight_decay=0.0)
    ids = AutoTokenizer.from_pretrained(args.directory)(open(args.text).read()[:2_000_000])["input_ids"]
    size = args.batch * args.tokens
    batches = [torch.tensor(ids[i : i + size]).view(args.batch, args.tokens) for i in range(0, len(ids) - size, size)]

    def step(i):
        batch = batches[i % len(batches)].to(args.device)
        loss = model(input_ids=batch, labels=batch).loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        return loss.item()

    warm = min(3, args.steps)
    for i in range(warm):
        step(i)
    began = time.perf_counter()
    for i in range(args.steps):
        step(warm + i)
    seconds = time.perf_counter() - began
    peak = torch.cuda.max_memory_allocated() * 1e-9 if args.device == "cuda" else float("nan")
    return args.steps * size / seconds, f"held {peak:.2f} GB"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory")
    parser.add_argument("text")
    parser.add_argument("--floe", default="target/release/floe")
    parser.add_argument("--floe-args", help="such as `--device 1 --variant gpu`")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--pairs", type=int, default=2)
    parser.add_argument("--only", choices=WHAT, action="append")
    args = parser.parse_args()
    import torch

    where = torch.cuda.get_device_name() if args.device == "cuda" else f"{torch.get_num_threads()} threads"
    print(f"torch {torch.__version__} on {where}; {args.batch} rows of {args.tokens} tokens", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for what in args.only or WHAT:
            own, other = [], []
            for _ in range(args.pairs):
                speed, memory = floe(args, what, folder)
                own.append(speed)
                peer, held = torch_steps(args, what)
                other.append(peer)
            ratios = statistics.median(a / b for a, b in zip(own, other))
            a, b = statistics.median(own), statistics.median(other)
            print(f"{what:10}  floe {a:9.1f} tokens/s ({memory})  torch {b:9.1f} ({held})  ratio {ratios:.2f}", flush=True)


if __name__ == "__main__":
    main()
