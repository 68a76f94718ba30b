// Gradient of each row's cross-entropy, times its weight, of a chunk of the vocabulary: (softmax(logits) - [target]) weight.

@group(0) @binding(0) var<uniform> cursor: vec4u;                   // x: rows
@group(0) @binding(1) var<uniform> chunk: vec4u;                    // first token, tokens
@group(0) @binding(3) var<storage, read> targets: array<u32>;       // [rows]; NONE: the row does not count
@group(0) @binding(4) var<storage, read> sums: array<vec4f>;        // [rows]: largest logit, sum of exponentials over it
@group(0) @binding(5) var<storage, read> weights: array<f32>;       // [rows]

const NONE = 0xffffffffu;

@compute @workgroup_size(WG)
fn cross_entropy_grad(@builtin(global_invocation_id) at: vec3u) {
  let row = at.y;
  if (row >= cursor.x || at.x >= (chunk.y + 3u) / 4u) { return; }
  let target_ = targets[row];
  let token = vec4u(4u * at.x) + vec4u(0u, 1u, 2u, 3u);
  let its = sums[row];
  let share = exp4(get_logits(row, at.x) - vec4f(its.x)) / its.y;
  let hit = select(vec4f(), vec4f(1.0), (token + vec4u(chunk.x)) == vec4u(target_));
  let there = (token < vec4u(chunk.y)) & vec4<bool>(target_ != NONE);
  put_dlogits(row, at.x, select(vec4f(), (share - hit) * weights[row], there));
}
