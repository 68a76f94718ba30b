// With r = 1 / length: dx = r dy − r³ x (x · dy).

@compute @workgroup_size(WG)
fn feature_map_grad(@builtin(global_invocation_id) at: vec3u) {
  if (at.x >= HEADS || at.y >= cursor.x) { return; }
  let from_ = at.x * D4;
  var scale = 1.0;
  var along = 0.0;
  if (UNIT == 1u) {
    scale = length_of(at.y, from_);
    var sum = vec4f();
    for (var i = 0u; i < D4; i++) { sum += get_x(at.y, from_ + i) * get_dy(at.y, from_ + i); }
    along = ((sum.x + sum.y) + (sum.z + sum.w)) * scale * scale * scale;
  }
  for (var i = 0u; i < D4; i++) {
    let x = get_x(at.y, from_ + i);
    put_y(at.y, from_ + i, slope(x) * get_dy(at.y, from_ + i) * scale - x * along);
  }
}
