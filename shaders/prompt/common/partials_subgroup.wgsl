// A partial sum a subgroup of neighbouring lanes, or a lane where SUBGROUP is 1: partials [rows, PARTS = LANES / SUBGROUP].

// Writes the sums of `several`, of rows `row`, row + 1, ..., of which `rows` are left.
fn put_partials(row: u32, rows: u32, lane: u32) {
  let own = lane % SUBGROUP;
  let sum = sums_apart(own);
  if (rows >= SUBGROUP || own < rows) { partials[(row + own) * PARTS + lane / SUBGROUP] = sum; }
}
