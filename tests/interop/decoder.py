"""A decoder in plain PyTorch, from its definition: RMSNorm, rotary positions, grouped attention, SwiGLU."""

import json
import pathlib

import torch

NAMES = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
    "token_embd": "model.embed_tokens",
    "output_norm": "model.norm",
    "output": "lm_head",
}


def ours(name):
    """Hugging Face's name of a GGUF tensor."""
    stem, kind = name.rsplit(".", 1)
    if not stem.startswith("blk."):
        return f"{NAMES[stem]}.{kind}"
    _, layer, part = stem.split(".")
    return f"model.layers.{layer}.{NAMES[part]}.{kind}"


class Decoder:
    """Sizes and weights: `w` by Hugging Face's names."""

    def __init__(self, path, dtype=torch.float32, device="cpu"):
        path = pathlib.Path(path)
        (self.hub if path.is_dir() else self.gguf)(path)
        self.w = {name: value.to(device, dtype) for name, value in self.w.items()}
        self.dtype, self.device = dtype, device

    def gguf(self, path):
        import gguf_read

        header = gguf_read.Header(path)
        arch = header.metadata["general.architecture"]
        key = lambda name, default=None: header.metadata.get(f"{arch}.{name}", default)
        if arch not in ("llama", "qwen2"):
            raise SystemExit(f"{path}: architecture {arch} is not one of llama and qwen2")
        self.layers, self.width = key("block_count"), key("embedding_length")
        self.heads = key("attention.head_count")
        self.groups = key("attention.head_count_kv", self.heads)
        self.dim = key("attention.key_length", self.width // self.heads)
        self.eps, self.theta = key("attention.layer_norm_rms_epsilon"), key("rope.freq_base", 1e4)
        self.tied = "output.weight" not in header.tensors
        if key("rope.scaling.type", "none") != "none" or "rope_freqs.weight" in header.tensors:
            raise SystemExit(f"{path}: scaled rotary positions are not in the definition")
        if key("rope.dimension_count", self.dim) != self.dim:
            raise SystemExit(f"{path}: a rotation of parts of a head is not in the definition")
        self.w = {}
        for name in header.tensors:
            value = torch.from_numpy(header.tensor(name))
            heads = {"attn_q": self.heads, "attn_k": self.groups}.get(name.split(".")[-2], 0)
            if arch == "llama" and heads:
                # Converters order rows for interleaved rotation.
                rest = value.shape[1:]
                value = value.view(heads, self.dim // 2, 2, *rest).transpose(1, 2).reshape(-1, *rest)
            self.w[ours(name)] = value

    def hub(self, path):
        from safetensors.torch import load_file

        config = json.loads((path / "config.json").read_text())
        self.layers, self.width = config["num_hidden_layers"], config["hidden_size"]
        self.heads = config["num_attention_heads"]
        self.groups = config.get("num_key_value_heads", self.heads)
        self.dim = config.get("head_dim") or self.width // self.heads
        self.eps = config["rms_norm_eps"]
        rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
        if rope.get("rope_type", rope.get("type", "default")) != "default":
            raise SystemExit(f"{path}: scaled rotary positions are not in the definition")
        self.theta = config.get("rope_theta") or rope.get("rope_theta", 1e4)
        self.tied = config.get("tie_word_embeddings", False)
        index = path / "model.safetensors.index.json"
        files = ["model.safetensors"]
        if index.exists():
            files = sorted(set(json.loads(index.read_text())["weight_map"].values()))
        self.w = {}
        for file in files:
            self.w.update(load_file(path / file))

    def norm(self, x, name):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps) * self.w[f"{name}.weight"]

    def linear(self, x, name):
        return torch.nn.functional.linear(x, self.w[f"{name}.weight"], self.w.get(f"{name}.bias"))

    def turn(self, x, positions):
        """[T, heads, D]: (x_i, x_{i + D/2}) by position · theta^(−2i/D)."""
        i = torch.arange(self.dim // 2, device=x.device, dtype=torch.float64)
        angle = positions[:, None].double() * self.theta ** (-2 * i / self.dim)
        cos, sin = (f(angle).to(x.dtype)[:, None] for f in (torch.cos, torch.sin))
        low, high = x.chunk(2, -1)
        return torch.cat([low * cos - high * sin, high * cos + low * sin], -1)

    def attention(self, h, name, cache, positions):
        t = h.shape[0]
        q = self.turn(self.linear(h, f"{name}.q_proj").view(t, self.heads, self.dim), positions)
        k = self.turn(self.linear(h, f"{name}.k_proj").view(t, self.groups, self.dim), positions)
        v = self.linear(h, f"{name}.v_proj").view(t, self.groups, self.dim)
        if cache is not None:
            old = cache.get(name)
            k, v = (k, v) if old is None else (torch.cat([old[0], k]), torch.cat([old[1], v]))
            cache[name] = (k, v)
        sharing = self.heads // self.groups
        k, v = (x.repeat_interleave(sharing, 1).transpose(0, 1) for x in (k, v))
        scores = q.transpose(0, 1) @ k.transpose(1, 2) / self.dim**0.5
        seen = torch.arange(k.shape[1], device=h.device)[None] <= positions[:, None]
        out = scores.masked_fill(~seen, float("-inf")).softmax(-1) @ v
        return self.linear(out.transpose(0, 1).reshape(t, -1), f"{name}.o_proj")

    @torch.no_grad()
    def logits(self, ids, cache=None, past=0, last=False):
        """[T, W], or [1, W] of the last token alone."""
        positions = past + torch.arange(len(ids), device=self.device)
        x = self.w["model.embed_tokens.weight"][torch.as_tensor(ids, device=self.device)]
        for layer in range(self.layers):
            name = f"model.layers.{layer}"
            x = x + self.attention(self.norm(x, f"{name}.input_layernorm"), f"{name}.self_attn", cache, positions)
            h = self.norm(x, f"{name}.post_attention_layernorm")
            gate = torch.nn.functional.silu(self.linear(h, f"{name}.mlp.gate_proj"))
            x = x + self.linear(gate * self.linear(h, f"{name}.mlp.up_proj"), f"{name}.mlp.down_proj")
        x = self.norm(x[-1:] if last else x, "model.norm")
        return self.linear(x, "model.embed_tokens" if self.tied else "lm_head")
