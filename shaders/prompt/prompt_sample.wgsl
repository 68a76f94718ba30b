// The prompts a step would train on, written out: tokens [BATCH, SHOTS + 1, D] with the query last (its y set to 0)
// and the queries' targets [BATCH]. One invocation a prompt.

@group(0) @binding(1) var<storage, read> state: array<u32>;              // [0]: the step
@group(0) @binding(2) var<storage, read_write> tokens: array<f32>;       // [BATCH, SHOTS + 1, D]
@group(0) @binding(3) var<storage, read_write> targets: array<f32>;      // [BATCH]

var<private> token: array<f32, D>;

@compute @workgroup_size(WG)
fn prompt_sample(@builtin(global_invocation_id) id: vec3u) {
  let prompt = id.x;
  if (prompt >= BATCH) { return; }
  source_begin(prompt, state[0]);
  source_token(0u);
  targets[prompt] = token[D - 1u];
  token[D - 1u] = 0.0;
  let first = prompt * (SHOTS + 1u) * D;
  /*unroll*/ for (var a = 0u; a < D; a++) { tokens[first + SHOTS * D + a] = token[a]; }
  for (var shot = 0u; shot < SHOTS; shot++) {
    source_token(1u + shot);
    /*unroll*/ for (var a = 0u; a < D; a++) { tokens[first + shot * D + a] = token[a]; }
  }
}
