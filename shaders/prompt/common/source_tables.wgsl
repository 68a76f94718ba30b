// Prompts of real tables: a group (one regression task) per prompt, then rows of it without replacement. Word 0 of a
// prompt picks the group, word 1 + slot the row among those not yet taken. Slots must be asked for in order.
// Layout of `task`: key, D, groups. Rows are ROW4 vec4: features, target, padding.

@group(0) @binding(0) var<uniform> task: array<vec4u, TASK4>;
@group(0) @binding(10) var<storage, read> rows: array<vec4f>;    // [R, ROW4]
@group(0) @binding(11) var<storage, read> groups: array<vec2u>;  // first row, rows

var<private> beyond: u32;  // 0, unknown to the compiler once set: see src/kernels/unroll.rs
var<private> src_counter: vec4u;
var<private> src_group: vec2u;
var<private> src_taken: array<u32, SLOTS>;  // ascending

fn source_width() -> u32 { return task[0].y; }

fn source_begin(prompt: u32, step: u32) {
  src_counter = vec4u(0u, prompt, step, task[0].x);
  src_group = groups[below(pcg4d(src_counter).x, task[0].z)];
}

// Fills `token` (its last entry with the true y) for slot 0 (the query) or 1 + i (demonstration i).
fn source_token(slot: u32) {
  let word = pcg4d(vec4u(slot + 1u, src_counter.yzw)).x;
  var row = 0u;
  if (REPLACEMENT == 1u) {
    row = below(word, src_group.y);
  } else {
    row = below(word, src_group.y - slot);
    for (var i = 0u; i < slot; i++) { row += select(0u, 1u, row >= src_taken[i]); }
    var carried = row;
    for (var i = 0u; i < slot; i++) {
      let held = src_taken[i];
      src_taken[i] = min(held, carried);
      carried = max(held, carried);
    }
    src_taken[slot] = carried;
  }
  let at = (src_group.x + row) * ROW4;
  token[0] = 1.0;
  /*unroll*/ for (var q = 0u; q < ROW4; q++) {
    let four = rows[at + q];
    /*unroll*/ for (var i = 0u; i < 4u; i++) {
      if (4u * q + i < D - 1u) { token[min(4u * q + i + 1u, D - 1u)] = four[i]; }
    }
  }
}
