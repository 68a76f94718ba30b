"""Opens what floe has written in transformers (and PEFT), and compares logits, loss and gradients with a probe of floe's.

    floe probe DIR --text "Some words" --train '*.v_proj.weight' --out probe.safetensors
    python3 tests/interop/check_transformers.py DIR probe.safetensors

    floe probe MODEL --adapter ADAPTER --text "Some words" --out probe.safetensors
    python3 tests/interop/check_transformers.py DIR probe.safetensors --adapter ADAPTER

DIR is a Hugging Face directory that floe wrote. With --adapter it is the base that the adapter stands beside. Needs torch,
transformers, safetensors, and peft for adapters.
"""

import argparse

import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

PREFIX = "base_model.model."


def off(found, expected):
    scale = expected.double().norm().item()
    return (found.double() - expected.double()).norm().item() / max(scale, 1e-30)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory")
    parser.add_argument("probe")
    parser.add_argument("--adapter", help="a PEFT directory that floe wrote")
    parser.add_argument("--text", help="what was probed: the tokenizer is compared too")
    args = parser.parse_args()
    probe = load_file(args.probe)
    model = AutoModelForCausalLM.from_pretrained(args.directory, dtype=torch.float32)
    if args.adapter:
        from peft import PeftModel

        model = PeftModel.from_pretrained(model, args.adapter, is_trainable=True)
    else:
        model.requires_grad_(True)
    model.eval()
    ids = probe["ids"].long()[None]
    if args.text is not None:
        own = AutoTokenizer.from_pretrained(args.directory)(args.text)["input_ids"]
        assert own == ids[0].tolist(), f"tokens differ: {own} {ids[0].tolist()}"
    out = model(input_ids=ids, labels=ids)
    out.loss.backward()
    worst = {"logits": off(probe["logits"], out.logits[0].detach()), "loss": off(probe["loss"], out.loss.detach()[None])}
    names = {name.replace(".default", "").removeprefix(PREFIX): p for name, p in model.named_parameters()}
    for key in (key for key in probe if key.startswith("grad.")):
        name = key.removeprefix("grad.")
        worst[name] = off(probe[key], names[name].grad)
    if args.adapter:
        assert {"grad." + n for n, p in names.items() if p.requires_grad} <= probe.keys(), "gradients are missing"
    for name, error in sorted(worst.items(), key=lambda item: -item[1])[:8]:
        print(f"{error:.1e}  {name}")
    bad = [name for name, error in worst.items() if not error < 1e-3]
    print(f"{len(worst)} compared, {len(bad)} of them off by more than 1e-3")
    raise SystemExit(bool(bad))


if __name__ == "__main__":
    main()
