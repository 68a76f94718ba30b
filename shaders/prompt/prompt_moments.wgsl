// G = (1/n) sum z z^T over the demonstrations of each prompt of a step, upper triangle: moments [BATCH, D, D].
// One invocation a prompt. It exists to be tested: what `prompt_step` adds up in its registers, written out.

@group(0) @binding(1) var<storage, read> state: array<u32>;          // [0]: the step
@group(0) @binding(2) var<storage, read_write> moments: array<f32>;  // [BATCH, D, D]

var<private> token: array<f32, D>;
var<private> total: array<f32, D * D>;

@compute @workgroup_size(WG)
fn prompt_moments(@builtin(global_invocation_id) id: vec3u) {
  let prompt = id.x;
  if (prompt >= BATCH) { return; }
  source_begin(prompt, state[0]);
  source_token(0u);  // the query's row of a table is taken
  /*unroll*/ for (var i = 0u; i < D * D; i++) { total[i] = 0.0; }
  add_demonstrations();
  /*unroll*/ for (var i = 0u; i < D * D; i++) { moments[prompt * D * D + i] = total[i] / f32(SHOTS); }
}
