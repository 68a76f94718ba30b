// What a token's own gradients add up to: an invocation has a token of a chunk and head. b_i is in exp(b_i), which multiplies the
// token's query, and in exp(−b_i), which multiplies its key: its gradient is q·dq − k·dk, of the parts that have it
// (docs/MATH.md). What follows is common/grad_plain.wgsl or common/grad_delta.wgsl.

fn sum4(x: vec4f) -> f32 { return (x.x + x.y) + (x.z + x.w); }
