// x with some of its numbers left out by chance and the others made larger by as much (Srivastava et al. 2014, JMLR 15), plus
// another matrix. What is left out is a function of step, key and place: a backward pass leaves out the same.

@group(0) @binding(0) var<uniform> cursor: vec4u;   // x: rows
@group(0) @binding(1) var<uniform> draw: vec4u;     // step, key, the first word that is kept, bits of what is multiplied by
@group(0) @binding(2) var<uniform> site: vec4u;     // x: which of the arrays of a step

@compute @workgroup_size(WG)
fn dropout(@builtin(global_invocation_id) at: vec3u) {
  if (at.y >= cursor.x || at.x >= QUADS) { return; }
  let words = pcg4d(vec4u(at.x, at.y, draw.x, draw.y + site.x));
  let kept = get_x(at.y, at.x) * bitcast<f32>(draw.w);
  put_y(at.y, at.x, select(vec4f(), kept, words >= vec4u(draw.z)) + other_of(at.y, at.x));
}
