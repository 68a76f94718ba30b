// o_t = Σ softmax_j(q_t · k_j / √D) v_j over start(t) <= j <= t, head by head, keys and values of a group of heads shared (Ainslie et
// al. 2023, arXiv 2305.13245). Blocks of keys pass by, the largest score and the sum of exponentials so far kept beside o (Milakov
// & Gimelshein 2018, arXiv 1805.02867), so that no [T, T] is stored. The host side writes out how queries and keys meet:
// src/kernels/tensor/attention/.

@group(0) @binding(0) var<uniform> cursor: vec4u;   // rows, past

// No score is so small; its difference to itself is 0, and that of any other to it overflows to nothing.
const LEAST = -3.0e38;

fn softmaxed(value: vec4f, sum: f32) -> vec4f { return value / sum; }
