// A partial sum a lane: partials [rows, PARTS = LANES].

fn put_partial(row: u32, lane: u32, value: f32) {
  partials[row * PARTS + lane] = value;
}
