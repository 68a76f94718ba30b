// Prompts of a law that comes from a program that has floe as a library: its own_begin and own_token stand before this.
// Layout of `task`: key, D.

@group(0) @binding(0) var<uniform> task: array<vec4u, TASK4>;
@group(0) @binding(10) var<storage, read> numbers: array<f32>;

var<private> beyond: u32;  // 0, unknown to the compiler once set: see src/kernels/prompt/unroll.rs

fn source_width() -> u32 { return task[0].y; }

fn source_begin(prompt: u32, step: u32) { own_begin(prompt, step, task[0].x); }

// Fills `token` (its last entry with the true y) for slot 0 (the query) or 1 + i (demonstration i).
fn source_token(slot: u32) {
  token[0] = 1.0;
  own_token(slot);
}
