// Gradient of rotary positions: what was turned by an angle is turned back by it.

@group(0) @binding(0) var<uniform> cursor: vec4u;                // x: rows
@group(0) @binding(1) var<storage, read> turns: array<vec4f>;    // [positions, 2, HALF]: cosines, sines

@compute @workgroup_size(WG)
fn rope_grad(@builtin(global_invocation_id) at: vec3u) {
  let row = at.y;
  if (row >= cursor.x) { return; }
  let position = row - start_of(row);
  let head = at.x / HALF;
  let i = at.x % HALF;
  let cosine = turns[position * 2u * HALF + i];
  let sine = turns[position * 2u * HALF + HALF + i];
  if (head < HEADS) {
    let quad = head * 2u * HALF + i;
    let low = get_dqueries(row, quad);
    let high = get_dqueries(row, quad + HALF);
    put_dq(row, quad, low * cosine + high * sine);
    put_dq(row, quad + HALF, high * cosine - low * sine);
  } else if (head < HEADS + GROUPS) {
    let quad = (head - HEADS) * 2u * HALF + i;
    let low = get_dkeys(row, quad);
    let high = get_dkeys(row, quad + HALF);
    put_dk(row, quad, low * cosine + high * sine);
    put_dk(row, quad + HALF, high * cosine - low * sine);
  }
}
