// An invocation has a row and head: y of x.
@compute @workgroup_size(WG)
fn feature_map(@builtin(global_invocation_id) at: vec3u) {
  if (at.x >= HEADS || at.y >= cursor.x) { return; }
  let from_ = at.x * D4;
  var scale = 1.0;
  if (UNIT == 1u) { scale = length_of(at.y, from_); }
  for (var i = 0u; i < D4; i++) {
    put_y(at.y, from_ + i, value(get_x(at.y, from_ + i)) * scale);
  }
}
