// Sums over a subgroup of SUBGROUP neighbouring invocations, of which one is at place `own`; SUBGROUP = 1 for none.
// Exchanges between constant places and no subgroupAdd: software adapters make a loop of that, with a branch a lane.

var<private> several: array<f32, BLOCK>;

// The sum of `several[own]`, where BLOCK = SUBGROUP: each invocation gets another one. Half of the values change hands at each of the stages.
fn sums_apart(own: u32) -> f32 {
  /*each*/ for (var s = 0u; s < STAGES; s++) {
    let upper = ((own >> s) & 1u) == 1u;
    /*unroll*/ for (var i = 0u; i < SUBGROUP / 2u; i++) {
      if (i < (SUBGROUP >> (s + 1u))) {
        let low = several[2u * i];
        let high = several[2u * i + 1u];
        several[i] = select(low, high, upper) + subgroupShuffleXor(select(high, low, upper), 1u << s);
      }
    }
  }
  return several[0];
}

// The sum of a value: the same bits in every invocation.
fn sum_together(value: f32) -> f32 {
  var sum = value;
  /*each*/ for (var s = 0u; s < STAGES; s++) { sum += subgroupShuffleXor(sum, 1u << s); }
  return sum;
}
