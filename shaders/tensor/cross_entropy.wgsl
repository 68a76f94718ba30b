// What a chunk of the vocabulary adds to the cross-entropy of each row: the largest logit so far, the sum of exponentials
// over it, and the target's logit; behind the last chunk the loss, -log softmax(logits)[target]. A workgroup a row.

@group(0) @binding(0) var<uniform> cursor: vec4u;                      // x: rows
@group(0) @binding(1) var<uniform> chunk: vec4u;                       // first token, tokens, is the first, is the last
@group(0) @binding(3) var<storage, read> targets: array<u32>;          // [rows]; NONE: the row does not count
@group(0) @binding(4) var<storage, read_write> sums: array<vec4f>;     // [rows]: largest, sum, target's logit
@group(0) @binding(5) var<storage, read_write> losses: array<f32>;     // [rows], in nats

const NONE = 0xffffffffu;
const LEAST = -3.4e38;

@compute @workgroup_size(WG)
fn cross_entropy(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) group: vec3u) {
  let row = group.x;
  if (row >= cursor.x) { return; }
  let quads = (chunk.y + 3u) / 4u;
  let target_ = targets[row];
  var largest = vec4f(LEAST);
  var hit = 0.0;
  for (var quad = lane; quad < quads; quad += WG) {
    let token = vec4u(4u * quad) + vec4u(0u, 1u, 2u, 3u);
    let logits = get_logits(row, quad);
    largest = max(largest, select(vec4f(LEAST), logits, token < vec4u(chunk.y)));
    // Of one lane alone: adding up hands it round.
    let mine = select(vec4f(), logits, (token + vec4u(chunk.x)) == vec4u(target_));
    hit += (mine.x + mine.y) + (mine.z + mine.w);
  }
  var before = vec4f(LEAST, 0.0, 0.0, 0.0);
  if (chunk.z == 0u) { before = sums[row]; }
  let here = max_all(lane, max(max(largest.x, largest.y), max(largest.z, largest.w)));
  let most = max(here, before.x);
  var sum = vec4f();
  for (var quad = lane; quad < quads; quad += WG) {
    let token = vec4u(4u * quad) + vec4u(0u, 1u, 2u, 3u);
    sum += select(vec4f(), exp4(get_logits(row, quad) - vec4f(most)), token < vec4u(chunk.y));
  }
  let own = sum_all(lane, (sum.x + sum.y) + (sum.z + sum.w));
  let logit = before.z + sum_all(lane, hit);
  let all = before.y * exp1(before.x - most) + own;
  if (lane == 0u) {
    sums[row] = vec4f(most, all, logit, 0.0);
    if (chunk.w == 1u) { losses[row] = select(most + log(all) - logit, 0.0, target_ == NONE); }
  }
}
