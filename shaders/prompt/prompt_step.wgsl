// Loss (pred - y)^2 and its gradient over a batch of prompts, sampled here; partial sums: [MODELS, ROWS, PARTS].
// Rows: for each layer the trained V blocks (of the last layer only the last rows) and QK blocks, ENTRIES in all; then
// the zero-shot and few-shot loss sums. One invocation works through prompts lane, lane + LANES, ... below BATCH, each of
// them with the GROUP models of its place in y: they share the drawing and the moments of a prompt.

@group(0) @binding(1) var<uniform> weights: array<vec4f, MODELS * WEIGHTS4>; // [MODELS][L][V | QK][H, D, D]
@group(0) @binding(2) var<storage, read> state: array<u32>;               // [MODELS] the step, of all the same
@group(0) @binding(3) var<storage, read> schedule: array<vec4f>;          // [ring, MODELS] lr, few-shot weight, ., .
@group(0) @binding(4) var<storage, read_write> partials: array<f32>;      // [MODELS, ROWS, PARTS]

const ROWS: u32 = ENTRIES + 2u;
const BLOCKS_OF_ROWS: u32 = (ROWS + BLOCK - 1u) / BLOCK;

fn weight(model: u32, i: u32) -> f32 { return weights[model * WEIGHTS4 + i / 4u][i % 4u]; }

@compute @workgroup_size(WG)
fn prompt_step(@builtin(global_invocation_id) id: vec3u) {
  let lane = id.x;
  let first = first_model(id.y);
  let step = state[0];
  let rates = step % (arrayLength(&schedule) / MODELS) * MODELS + first;
  take_models(first);
  /*each*/ for (var j = 0u; j < GROUP; j++) { few_weight[j] = schedule[rates + j].y / f32(BATCH); }
  for (var prompt = lane; prompt < BATCH; prompt += LANES) { descend_prompt(prompt, step); }
  /*each*/ for (var j = 0u; j < GROUP; j++) {
    if (GROUP > 1u) {
      /*unroll*/ for (var i = 0u; i < ENTRIES; i++) { grad[i] = kept_grad[j * ROOM + i]; }
    }
    let row = (first + j) * ROWS;
    /*each*/ for (var k = 0u; k < BLOCKS_OF_ROWS; k++) {
      /*unroll*/ for (var i = 0u; i < BLOCK; i++) {
        const at = k * BLOCK + i;
        if (at < ENTRIES) {
          several[i] = grad[min(at, ROOM - 1u)];
        } else {
          several[i] = select(losses[GROUP + j], losses[j], at == ENTRIES);
        }
      }
      put_partials(row + k * BLOCK, ROWS - k * BLOCK, lane);
    }
  }
}
