// One optimizer step on the trained elements of an arena of any size, ALL workgroups each on some of its blocks in a row.
// The norm of this step's gradient stands in `norms`.

@group(0) @binding(4) var<storage, read> norms: array<f32>;               // [RING]

@compute @workgroup_size(WG)
fn block_update(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) group: vec3u) {
  let first = group.y * WIDE + group.x;
  let norm = norms[state[0] % RING];
  if (first >= ALL) { return; }
  for (var turn = 0u; turn < TURNS; turn++) {
    let item = first * TURNS + turn;
    if (item >= ITEMS) { break; }
    step_on(share(item, lane), norm);
  }
}
