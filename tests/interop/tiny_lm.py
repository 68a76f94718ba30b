"""Writes a tiny random language model as a Hugging Face directory, with the logits that the definition gives in f64.

    python3 tests/interop/lm.py --random DIR [--arch qwen2] [--shards 2] [--dtype bf16] [--tokenizer] …

`expected.json` holds `ids` [T], `logits` [T, W], `loss` (mean nats of ids[1..]) and, where there is a tokenizer, `texts`
with their ids.
"""

import json
import pathlib

import torch
from decoder import Decoder

CLASSES = {"llama": "LlamaForCausalLM", "qwen2": "Qwen2ForCausalLM", "mistral": "MistralForCausalLM"}
DTYPES = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}
WORDS = "the other weather there then theatre water and winter wander under thunder in inner dinner sing singing ringing"
SPECIAL = "<|endoftext|>"
TEXTS = ["", "the other weather", "  Then, 42 theatres!\n\n", "naïve — 日本 🙂", f"in{SPECIAL}out", "it's the singing's"]


def options(parser):
    group = parser.add_argument_group("of --random")
    group.add_argument("--arch", default="llama", choices=CLASSES)
    group.add_argument("--dtype", default="f32", choices=DTYPES)
    for name, size in [("shards", 1), ("layers", 2), ("width", 16), ("heads", 2), ("kv-heads", 1), ("mlp", 24)]:
        group.add_argument(f"--{name}", type=int, default=size)
    group.add_argument("--head-dim", type=int, default=12, help="need not be width / heads")
    group.add_argument("--vocabulary", type=int, default=64)
    group.add_argument("--tokens", type=int, default=16, help="length of the text")
    group.add_argument("--seed", type=int, default=0)
    group.add_argument("--tied", action="store_true", help="the head is the embedding")
    group.add_argument("--tokenizer", action="store_true", help="a byte-level tokenizer.json too")


def shapes(args):
    """Tensors by name; a weight is [out, in]."""
    width, queries, shared = args.width, args.heads * args.head_dim, args.kv_heads * args.head_dim
    out = {"model.embed_tokens.weight": (args.vocabulary, width), "model.norm.weight": (width,)}
    if not args.tied:
        out["lm_head.weight"] = (args.vocabulary, width)
    for layer in range(args.layers):
        name = f"model.layers.{layer}"
        for norm in ("input_layernorm", "post_attention_layernorm"):
            out[f"{name}.{norm}.weight"] = (width,)
        for part, rows in [("q", queries), ("k", shared), ("v", shared)]:
            out[f"{name}.self_attn.{part}_proj.weight"] = (rows, width)
            if args.arch == "qwen2":
                out[f"{name}.self_attn.{part}_proj.bias"] = (rows,)
        out[f"{name}.self_attn.o_proj.weight"] = (width, queries)
        for part in ("gate", "up"):
            out[f"{name}.mlp.{part}_proj.weight"] = (args.mlp, width)
        out[f"{name}.mlp.down_proj.weight"] = (width, args.mlp)
    return out


def draw(name, shape, generator):
    noise = torch.randn(shape, generator=generator, dtype=torch.float64)
    if name.endswith("norm.weight"):
        return 1 + 0.3 * noise
    if name.endswith("bias") or "embed" in name:
        return 0.5 * noise
    return 1.5 * noise / shape[1] ** 0.5


def config(args):
    return {
        "architectures": [CLASSES[args.arch]],
        "model_type": args.arch,
        "vocab_size": args.vocabulary,
        "hidden_size": args.width,
        "intermediate_size": args.mlp,
        "num_hidden_layers": args.layers,
        "num_attention_heads": args.heads,
        "num_key_value_heads": args.kv_heads,
        "head_dim": args.head_dim,
        "hidden_act": "silu",
        "max_position_embeddings": 128,
        "rms_norm_eps": 1e-6 if args.arch == "qwen2" else 1e-5,
        "rope_theta": 1e6 if args.arch == "qwen2" else 1e4,
        "tie_word_embeddings": args.tied,
        "torch_dtype": str(DTYPES[args.dtype]).split(".")[-1],
        "eos_token_id": 0,
    }


def save(directory, tensors, shards):
    """One file, or several with their index."""
    from safetensors.torch import save_file

    names = sorted(tensors)
    if shards == 1:
        save_file(tensors, directory / "model.safetensors", metadata={"format": "pt"})
        return
    places = {}
    for shard in range(shards):
        file = f"model-{shard + 1:05}-of-{shards:05}.safetensors"
        part = {name: tensors[name] for name in names[shard::shards]}
        save_file(part, directory / file, metadata={"format": "pt"})
        places.update(dict.fromkeys(part, file))
    total = sum(t.numel() * t.element_size() for t in tensors.values())
    index = {"metadata": {"total_size": total}, "weight_map": dict(sorted(places.items()))}
    (directory / "model.safetensors.index.json").write_text(json.dumps(index, indent=1) + "\n")


def tokenizer(path, vocabulary):
    """Byte-level BPE with GPT-2's pattern, from a few words; ids of some texts."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary, special_tokens=[SPECIAL], initial_alphabet=alphabet, min_frequency=1, show_progress=False
    )
    made.train_from_iterator([WORDS] * 2, trainer)
    if made.get_vocab_size() != vocabulary:
        raise SystemExit(f"the words give {made.get_vocab_size()} tokens, not {vocabulary}")
    made.save(str(path), pretty=False)
    return {text: made.encode(text).ids for text in TEXTS}


def random(args):
    directory = pathlib.Path(args.random)
    directory.mkdir(parents=True, exist_ok=True)
    if any(directory.iterdir()):
        raise SystemExit(f"{directory}: there is something in it")
    generator = torch.Generator().manual_seed(args.seed)
    tensors = {n: draw(n, s, generator).to(DTYPES[args.dtype]) for n, s in sorted(shapes(args).items())}
    save(directory, tensors, args.shards)
    (directory / "config.json").write_text(json.dumps(config(args), indent=1) + "\n")
    ids = torch.randint(args.vocabulary, (args.tokens,), generator=generator).tolist()
    # From the files, as anyone reads them.
    logits = Decoder(directory, torch.float64).logits(ids)
    loss = torch.nn.functional.cross_entropy(logits[:-1], torch.tensor(ids[1:])).item()
    expected = {"ids": ids, "loss": loss, "logits": [[round(x, 7) for x in row] for row in logits.tolist()]}
    if args.tokenizer:
        expected["texts"] = tokenizer(directory / "tokenizer.json", args.vocabulary)
    lines = ",\n".join(json.dumps(row, separators=(",", ":")) for row in expected.pop("logits"))
    head = json.dumps(expected, ensure_ascii=False)[:-1]
    (directory / "expected.json").write_text(f'{head},\n"logits": [\n{lines}\n]}}\n')
    size = sum(file.stat().st_size for file in directory.iterdir())
    print(f"{directory}: {size} bytes, logits of {len(ids)} tokens, their loss {loss:.6f}")
