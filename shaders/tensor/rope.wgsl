// Rotary positions (Su et al. 2021, arXiv 2104.09864) in Hugging Face's form: (x_i, x_{i + D/2}) is turned by the position times
// theta^(-2i/D). Queries go to where attention reads them, keys and values behind those of the tokens that came before.

@group(0) @binding(0) var<uniform> cursor: vec4u;                // rows, past
@group(0) @binding(1) var<storage, read> turns: array<vec4f>;    // [positions, 2, HALF]: cosines, sines

// Vec4 `i` of a head's halves, turned.
struct Pair { low: vec4f, high: vec4f }

fn turned(low: vec4f, high: vec4f, position: u32, i: u32) -> Pair {
  let cosine = turns[position * 2u * HALF + i];
  let sine = turns[position * 2u * HALF + HALF + i];
  return Pair(low * cosine - high * sine, high * cosine + low * sine);
}

@compute @workgroup_size(WG)
fn rope(@builtin(global_invocation_id) at: vec3u) {
  let row = at.y;
  if (row >= cursor.x) { return; }
  let position = cursor.y + row - start_of(row);
  let place = select(row, cursor.y + row, BEHIND == 1u);
  let head = at.x / HALF;
  let i = at.x % HALF;
  if (head < HEADS) {
    let quad = head * 2u * HALF + i;
    let pair = turned(get_q(row, quad), get_q(row, quad + HALF), position, i);
    put_queries(row, quad, pair.low);
    put_queries(row, quad + HALF, pair.high);
  } else if (head < HEADS + GROUPS) {
    let quad = (head - HEADS) * 2u * HALF + i;
    let pair = turned(get_k(row, quad), get_k(row, quad + HALF), position, i);
    put_keys(place, quad, pair.low);
    put_keys(place, quad + HALF, pair.high);
  } else if (head < HEADS + 2u * GROUPS) {
    let quad = (head - HEADS - GROUPS) * 2u * HALF + i;
    put_values(place, quad, get_v(row, quad));
    put_values(place, quad + HALF, get_v(row, quad + HALF));
  }
}
