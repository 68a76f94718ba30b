"""Alternates floe with its peers on this machine and prints ratios pair by pair.

    python3 benches/peers/run.py --python VENV/bin/python --burn BUILD/release/burn-step
    python3 benches/peers/run.py --lm MODEL.gguf --python VENV/bin/python --gemm BUILD/release/gemm-step

Each pair is one sample of floe and one of the peer, one right after the other, the order swapped every other pair.
Ratio: the peer's milliseconds a step over floe's, or floe's rate over the peer's, so above 1 floe is faster. Standard
library alone.
"""

import argparse
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
STEPS = ["pretrain", "zs", "zsfs", "eval"]
TORCH = ["eager", "query", "compiled", "best"]

# Rows of a language model: the words behind `floe`, what reads rates by name from what it writes, and their unit. Names
# are those of torch_lm.py and gemm-step. {model} is the model's file, {prompt} the text below.
PROMPT = (
    "The capital of France is Paris, and that of Italy is Rome; both of them had walls once, and gates in "
    "them, which were closed at night,"
)
LM_ROWS = {
    "product": (["bench", "--only", "matmul", "--json", "-"], lambda said: product_rates(said), "GFLOP/s"),
    "forward": (
        ["bench", "--model", "{model}", "--only", "model: 512 tokens", "--json", "-"],
        lambda said: {"losses_tokens_s": 512e3 / figure(said, "model: 512 tokens with their losses")},
        "tokens/s",
    ),
    "decode": (
        ["generate", "{model}", "--prompt", "{prompt}", "--max-tokens", "64"],
        lambda said: {"decode_tokens_s": said_rate(said, r"made, ([0-9.]+) a second")},
        "tokens/s",
    ),
}


class Unusable(Exception):
    """A peer that cannot run here: said once, left out of the table."""


def output(command, limit=600, errors=False):
    """What a program writes to standard output, or to standard error as well."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit)
    except (OSError, subprocess.TimeoutExpired) as e:
        raise Unusable(f"{command[0]}: {e}") from e
    if done.returncode != 0:
        words = done.stderr.strip().splitlines()
        at = next((i for i, w in enumerate(words) if "panicked" in w or w.startswith("error")), len(words) - 2)
        said = " / ".join(words[max(0, at) :][:2])
        raise Unusable(f"{' '.join(map(str, command))}: status {done.returncode}: {said}")
    return done.stdout + (done.stderr if errors else "")


# ---- floe: milliseconds of a step in its own training loop, logging included.

# Phase of run.json that a step is read from, and what to set so that little else is run.
PHASES = {
    "pretrain": ("pretrained", ["pretrain.steps={steps}", "finetune.steps=1"]),
    "zs": ("zs-all", ["pretrain.steps=1", "finetune.steps=1", "methods.zs-all.steps={steps}"]),
    "zsfs": ("zsfs-all", ["pretrain.steps=1", "finetune.steps=1", "methods.zsfs-all.steps={steps}"]),
}


def floe_ms(args, step):
    if step == "eval":
        return floe_eval_ms(args)
    phase, sets = PHASES[step]
    # A zero-shot step takes a tenth of the others.
    steps = args.floe_steps * (8 if step == "zs" else 1)
    sets = [s.format(steps=steps) for s in sets] + ["eval.seeds=1", "eval.prompts=64"]
    with tempfile.TemporaryDirectory() as tmp:
        out = Path(tmp) / "run"
        command = [args.floe, "run", "paper", "--out", str(out), *device(args)]
        output(command + [word for s in sets for word in ("--set", s)])
        run = json.loads((out / "run.json").read_text())
    found = [p["ms_per_step"] for p in run["phases"] if p["method"] == phase]
    if len(found) != 1 or not found[0] > 0:
        raise Unusable(f"floe: run.json has no time of a step of `{phase}`")
    return found[0]


def floe_eval_ms(args):
    """50,000 prompts at 21 shot counts for a model, of the seven that `floe run paper` tests together: the kernel
    that all of the time goes to, from `floe bench`."""
    name, models = "prompt_eval: paper, 21 shot counts, 7 models", 7
    report = json.loads(output([args.floe, "bench", "--only", name, "--json", "-", *device(args)]))
    found = [f["ms"] for f in report["figures"] if f["name"] == name]
    if len(found) != 1:
        raise Unusable(f"floe bench has no figure `{name}`")
    return found[0] / models


def device(args):
    words = ["--device", args.device] if args.device else []
    return words + (["--variant", args.variant] if args.variant else [])


# ---- floe's rates with a language model


def figure(said, name):
    """Milliseconds of a figure of `floe bench --json`."""
    found = [f["ms"] for f in json.loads(said)["figures"] if f["name"] == name]
    if len(found) != 1:
        raise Unusable(f"floe bench has no figure `{name}`")
    return found[0]


def product_rates(said):
    """GFLOP/s of `matmul: NN 1024×1024→1024` and the like, by the peers' names, which have the type behind."""
    rates = {}
    for f in json.loads(said)["figures"]:
        name = re.fullmatch(r"matmul: ([NT]{2}) (\d+)×(\d+)→(\d+)", f["name"])
        if name:
            rates["{} {}x{}->{} float32".format(*name.groups())] = f["gflops"]
    return rates


def said_rate(said, pattern):
    found = re.search(pattern, said)
    if not found:
        raise Unusable(f"floe says nothing like `{pattern}`")
    return float(found[1])


def floe_rates(args, row):
    words, rates, _ = LM_ROWS[row]
    words = [{"{model}": args.lm, "{prompt}": PROMPT}.get(word, word) for word in words]
    return rates(output([args.floe, *words, *device(args)], errors=words[0] == "generate"))


# ---- peers


def torch_peer(args, variant):
    def sample(step):
        command = [args.python, str(HERE / "torch_step.py"), "--variant", variant, "--step", step]
        return json.loads(output(command + ["--seconds", str(args.seconds)]).splitlines()[-1])

    return f"torch {variant}", sample


def burn_peer(args, backend, form):
    def sample(step):
        if step != "pretrain":
            raise Unusable("the Burn program does the pre-training step alone")
        command = [args.burn, "--backend", backend, "--form", form, "--seconds", str(args.seconds)]
        return json.loads(output(command).splitlines()[-1])

    return f"burn {backend} {form}", sample


def peers(args):
    out = [torch_peer(args, v) for v in args.torch.split(",") if args.python and v]
    pairs = [p.partition(":") for p in args.burn_forms.split(",") if p] if args.burn else []
    return out + [burn_peer(args, backend, form or "hand") for backend, _, form in pairs]


def lm_peers(args):
    """Each with the rows that it has, and its rates of one of them."""

    def torch(row):
        command = [args.python, str(HERE / "torch_lm.py"), args.lm, "--rows", row, "--threads", str(args.threads)]
        found = json.loads(output(command).splitlines()[-1])
        return found["gflops"] if row == "product" else found

    def gemm(row):
        found = json.loads(output([args.gemm, "--threads", str(args.threads)]).splitlines()[-1])
        return found["gflops"]

    out = [("torch", list(LM_ROWS), torch)] if args.python else []
    return out + ([("gemm", ["product"], gemm)] if args.gemm else [])


def compare_rates(args, row, name, sample, log):
    for pair in range(args.pairs):
        found = {}
        for who in ("floe", "peer") if pair % 2 == 0 else ("peer", "floe"):
            found[who] = floe_rates(args, row) if who == "floe" else sample(row)
        shared = [key for key in found["floe"] if key in found["peer"]]
        if not shared:
            raise Unusable(f"no rate of `{row}` is on both sides")
        for key in shared:
            floe, peer = found["floe"][key], found["peer"][key]
            log.append({"row": row, "name": name, "rate": key, "pair": pair, "floe": floe, "peer": peer})
            words = f"{row:9} {name:6} {key:30} pair {pair + 1}: floe {floe:8.2f}, peer {peer:8.2f}"
            print(f"{words}, ratio {floe / peer:6.3f}", flush=True)


def summary_rates(log):
    print(f"\n| row | peer | unit | floe | peer | floe / peer, median | min–max | pairs |\n|{' --- |' * 8}")
    for row, name, key in dict.fromkeys((s["row"], s["name"], s["rate"]) for s in log):
        pairs = [s for s in log if (s["row"], s["name"], s["rate"]) == (row, name, key)]
        ratios = [s["floe"] / s["peer"] for s in pairs]
        floe, peer = (statistics.median(s[who] for s in pairs) for who in ("floe", "peer"))
        what = f"{row} {key.removesuffix(' float32')}" if row == "product" else row
        print(
            f"| {what} | {name} | {LM_ROWS[row][2]} | {floe:.1f} | {peer:.1f} | {statistics.median(ratios):.2f} | "
            f"{min(ratios):.2f}–{max(ratios):.2f} | {len(ratios)} |"
        )


def compare(args, step, name, sample, log):
    """Ratios of the pairs; each sample's numbers go to the log."""
    ratios = []
    for pair in range(args.pairs):
        found = {}
        for who in ("floe", "peer") if pair % 2 == 0 else ("peer", "floe"):
            found[who] = {"ms": floe_ms(args, step)} if who == "floe" else sample(step)
        ratio = found["peer"]["ms"] / found["floe"]["ms"]
        ratios.append(ratio)
        log.append({"step": step, "name": name, "pair": pair, "ratio": ratio, **found})
        print(
            f"{step:9} {name:22} pair {pair + 1}: floe {found['floe']['ms']:9.4f} ms, "
            f"peer {found['peer']['ms']:9.4f} ms, ratio {ratio:7.2f}",
            flush=True,
        )
    return ratios


def summary(rows):
    print(f"\n| step | peer | floe ms | peer ms | peer / floe, median | min–max | pairs |\n|{' --- |' * 7}")
    for step, name, pairs in rows:
        ratios = [p["ratio"] for p in pairs]
        floe = statistics.median(p["floe"]["ms"] for p in pairs)
        peer = statistics.median(p["peer"]["ms"] for p in pairs)
        print(
            f"| {step} | {name} | {floe:.3f} | {peer:.3f} | {statistics.median(ratios):.2f} | "
            f"{min(ratios):.2f}–{max(ratios):.2f} | {len(ratios)} |"
        )


def machine():
    model = next(
        (line.partition(":")[2].strip() for line in lines("/proc/cpuinfo") if line.startswith("model name")),
        platform.processor(),
    )
    return {"cpu": model, "cores": os.cpu_count(), "load": os.getloadavg(), "system": platform.platform()}


def lines(path):
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--floe", default=str(HERE.parents[1] / "target/release/floe"), help="the floe program")
    parser.add_argument("--device", help="floe's device, as for `floe run --device`")
    parser.add_argument("--variant", help="floe's variant, as for `floe run --variant`")
    parser.add_argument("--python", help="a Python that has torch; none to leave PyTorch out")
    parser.add_argument("--burn", help="the built burn-step; none to leave Burn out")
    parser.add_argument("--torch", default=",".join(TORCH), help="variants of torch_step.py")
    parser.add_argument("--burn-forms", default="flex:hand,wgpu:hand", help="backend:form, separated by commas")
    parser.add_argument("--steps", help="of " + ", ".join(STEPS) + "; with --lm, of " + ", ".join(LM_ROWS))
    parser.add_argument("--lm", metavar="MODEL.gguf", help="the rows of a language model instead of the steps")
    parser.add_argument("--gemm", help="the built gemm-step; none to leave it out (with --lm)")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="the peers' threads (with --lm)")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5.0, help="measuring time of a peer's sample")
    parser.add_argument("--floe-steps", type=int, default=3000, help="steps of a sample of floe")
    parser.add_argument("--json", help="write every sample here")
    args = parser.parse_args()
    known = list(LM_ROWS) if args.lm else STEPS
    args.steps = args.steps.split(",") if args.steps else known
    unknown = set(args.steps) - set(known)
    if unknown:
        parser.error(f"no step {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    other = "gemm" if args.lm else "burn"
    if not args.python and not getattr(args, other):
        parser.error(f"give --python, --{other} or both; README.md says how to install the peers")
    return args


def main():
    args = arguments()
    log, rows, before = [], [], machine()
    print(f"{before['cpu']}, {before['cores']} cores, load {before['load'][0]:.1f}")
    # Steps' peers have them all.
    sides = lm_peers(args) if args.lm else [(name, STEPS, sample) for name, sample in peers(args)]
    for step in args.steps:
        for name, has, sample in sides:
            if step not in has:
                continue
            at = len(log)
            try:
                (compare_rates if args.lm else compare)(args, step, name, sample, log)
            except Unusable as e:
                print(f"{step:9} {name:22} left out: {e}", file=sys.stderr, flush=True)
            if log[at:]:
                rows.append((step, name, log[at:]))
    if args.lm:
        summary_rates(log)
    else:
        summary(rows)
    if args.json:
        report = {"machine": before, "load_after": os.getloadavg(), "samples": log}
        Path(args.json).write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
