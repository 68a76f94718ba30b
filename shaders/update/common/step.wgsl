// One optimizer step on blocks: clip the gradient to a global norm, then SGD with momentum, Adam or AdamW (docs/MATH.md).

@group(0) @binding(0) var<uniform> hyper: array<Hyper, GROUPS>;
@group(0) @binding(1) var<storage, read> schedule: array<vec4f>;          // [RING, GROUPS] lr, ., 1/(1-b1^t), 1/(1-b2^t)
@group(0) @binding(2) var<storage, read> blocks: array<vec4u>;            // [BLOCKS]
@group(0) @binding(3) var<storage, read> state: array<u32>;               // [0] the step; who ends it counts it
@group(0) @binding(5) var<storage, read> grads: array<vec4f>;
@group(0) @binding(6) var<storage, read_write> params: array<vec4f>;
@group(0) @binding(7) var<storage, read_write> moments: array<vec4f>;     // [quads, STATES]

// Updates a share. Of the elements of a vec4 that are not trained the bits are put back.
fn step_on(its: Share, norm: f32) {
  let block = its.block;
  let quads = block.w & 0xffffu;
  let kept = trained_of(block);
  let own = hyper[block.w >> 20u];
  let now = schedule[state[0] % RING * GROUPS + (block.w >> 20u)];
  let scale = clipped(own, norm);
  for (var turn = 0u; turn * its.stride + its.from_ < quads; turn++) {
    let i = turn * its.stride + its.from_;
    let p = params[block.x + i];
    let g = grads[block.y + i] * scale;
    let at = STATES * (block.z + i);
    let m = moments[at];
    var v = vec4f();
    if (STATES == 2u) { v = moments[at + 1u]; }
    let x = updated(own, now, vec3f(p.x, m.x, v.x), g.x);
    let y = updated(own, now, vec3f(p.y, m.y, v.y), g.y);
    let z = updated(own, now, vec3f(p.z, m.z, v.z), g.z);
    let w = updated(own, now, vec3f(p.w, m.w, v.w), g.w);
    params[block.x + i] = select(p, vec4f(x.x, y.x, z.x, w.x), kept);
    moments[at] = select(m, vec4f(x.y, y.y, z.y, w.y), kept);
    if (STATES == 2u) { moments[at + 1u] = select(v, vec4f(x.z, y.z, z.z, w.z), kept); }
  }
}
