// A block of trained elements (src/params/blocks.rs): vec4 of parameters, gradient and moments; number | mask << 16 | group << 20.

// What an invocation takes of blocks: of a long one each WG-th vec4, of short ones one for itself.
struct Share { block: vec4u, from_: u32, stride: u32 }

// The share of an invocation in an item: a long block, or WG short ones, which stand behind the long ones. Of none it has
// no vec4.
fn share(item: u32, lane: u32) -> Share {
  let long = LONG == BLOCKS || item < LONG;
  let at = select(LONG + (item - LONG) * WG + lane, item, long);
  if (at >= BLOCKS) { return Share(vec4u(), 0u, 1u); }
  return Share(blocks[at], select(0u, lane, long), select(1u, WG, long));
}

// Which elements of each of its vec4 are trained.
fn trained_of(block: vec4u) -> vec4<bool> {
  return (vec4u(block.w >> 16u) & vec4u(1u, 2u, 4u, 8u)) != vec4u();
}

// What a share adds to the squared norm of the gradient.
fn squares_of(own: Share) -> vec4f {
  let block = own.block;
  let quads = block.w & 0xffffu;
  let kept = trained_of(block);
  var sum = vec4f();
  for (var i = 0u; i * own.stride + own.from_ < quads; i++) {
    let g = grads[block.y + i * own.stride + own.from_];
    // What is not trained may hold anything.
    let trained = select(vec4f(), g, kept);
    sum += trained * trained;
  }
  return sum;
}
