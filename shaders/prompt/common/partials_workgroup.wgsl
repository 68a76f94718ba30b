// A partial sum a workgroup: partials [rows, PARTS = LANES / WG]. A block of rows at a time goes through workgroup memory,
// where one invocation a row adds up what the lanes have, in their order.

// [BLOCK, WG], each row a word longer so that the invocations that read them meet in no bank.
var<workgroup> of_lanes: array<f32, BLOCK * (WG + 1u)>;

// Writes the sums of `several`, of rows `row`, row + 1, ..., of which `rows` are left.
fn put_partials(row: u32, rows: u32, lane: u32) {
  let own = lane % WG;
  /*unroll*/ for (var i = 0u; i < BLOCK; i++) { of_lanes[i * (WG + 1u) + own] = several[i]; }
  workgroupBarrier();
  if (own < min(BLOCK, rows)) {
    var sum = 0.0;
    for (var j = 0u; j < WG; j++) { sum += of_lanes[own * (WG + 1u) + j]; }
    partials[(row + own) * PARTS + lane / WG] = sum;
  }
  workgroupBarrier();
}
