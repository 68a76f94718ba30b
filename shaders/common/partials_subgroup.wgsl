// A partial sum a subgroup of SUBGROUP neighbouring lanes: partials [rows, PARTS = LANES / SUBGROUP].

fn put_partial(row: u32, lane: u32, value: f32) {
  let sum = subgroupAdd(value);
  if (lane % SUBGROUP == 0u) { partials[row * PARTS + lane / SUBGROUP] = sum; }
}
