// One optimizer step on the trained elements of an arena of any size, a workgroup a block: clip the gradient to a global
// norm, then SGD with momentum, Adam or AdamW (docs/MATH.md). An invocation takes whole vec4; of the elements of one that
// are not trained it puts back the bits. The norm of this step stands in `norms`; who ends the step counts it.

@group(0) @binding(0) var<uniform> hyper: array<Hyper, GROUPS>;
@group(0) @binding(1) var<storage, read> schedule: array<vec4f>;          // [RING, GROUPS] lr, ., 1/(1-b1^t), 1/(1-b2^t)
@group(0) @binding(2) var<storage, read> blocks: array<vec4u>;            // [BLOCKS] vec4 of parameters, gradient, moments; info
@group(0) @binding(3) var<storage, read> state: array<u32>;               // [0] the step
@group(0) @binding(4) var<storage, read> norms: array<f32>;               // [RING]
@group(0) @binding(5) var<storage, read> grads: array<vec4f>;
@group(0) @binding(6) var<storage, read_write> params: array<vec4f>;
@group(0) @binding(7) var<storage, read_write> moments: array<vec4f>;     // [quads, STATES]

@compute @workgroup_size(WG)
fn block_update(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) group: vec3u) {
  let at = group.y * WIDE + group.x;
  if (at >= BLOCKS) { return; }
  let block = blocks[at];
  let quads = block.w & 0xffffu;
  let kept = trained_of(block);
  let own = hyper[block.w >> 20u];
  let row = state[0] % RING;
  let now = schedule[row * GROUPS + (block.w >> 20u)];
  let scale = clipped(own, norms[row]);
  for (var i = lane; i < quads; i += WG) {
    let p = params[block.x + i];
    let g = grads[block.y + i] * scale;
    let at_moment = STATES * (block.z + i);
    let m = moments[at_moment];
    var v = vec4f();
    if (STATES == 2u) { v = moments[at_moment + 1u]; }
    let x = updated(own, now, vec3f(p.x, m.x, v.x), g.x);
    let y = updated(own, now, vec3f(p.y, m.y, v.y), g.y);
    let z = updated(own, now, vec3f(p.z, m.z, v.z), g.z);
    let w = updated(own, now, vec3f(p.w, m.w, v.w), g.w);
    params[block.x + i] = select(p, vec4f(x.x, y.x, z.x, w.x), kept);
    moments[at_moment] = select(m, vec4f(x.y, y.y, z.y, w.y), kept);
    if (STATES == 2u) { moments[at_moment + 1u] = select(v, vec4f(x.z, y.z, z.z, w.z), kept); }
  }
}
