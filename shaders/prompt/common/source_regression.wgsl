// Prompts of linear regression: token (1, x, y), y = theta.x + noise. Slot 0 draws theta, slot 1 the query,
// slot 2 + i demonstration i. Layout of `task`: key, D, pool key, pool size | noise deviation | theta [DIM] | factor.

@group(0) @binding(0) var<uniform> task: array<vec4u, TASK4>;

const BLOCKS: u32 = (DIM + 4u) / 4u;  // pcg4d calls for DIM + 1 normals
var<private> beyond: u32;  // 0, unknown to the compiler once set: see src/kernels/unroll.rs
var<private> src_counter: vec4u;
var<private> src_theta: array<f32, DIM>;
var<private> src_normal: array<f32, 4u * BLOCKS>;

fn src_draw(draw: u32, prompt: u32, step: u32, key: u32) {
  /*unroll*/ for (var b = 0u; b < BLOCKS; b++) {
    let w = pcg4d(vec4u(draw * BLOCKS + b, prompt, step, key));
    let first = normal_pair(w.x, w.y);
    src_normal[4u * b] = first.x;
    src_normal[4u * b + 1u] = first.y;
    if (4u * b + 2u < DIM + 1u) {
      let second = normal_pair(w.z, w.w);
      src_normal[4u * b + 2u] = second.x;
      src_normal[4u * b + 3u] = second.y;
    }
  }
}

// A number of the task. All travel as integers: some GPUs take a small integer in a float for 0.
fn task_float(at: u32) -> f32 { return bitcast<f32>(task[at / 4u][at % 4u]); }

fn source_width() -> u32 { return task[0].y; }

// Starts prompt `prompt` of step `step`.
fn source_begin(prompt: u32, step: u32) {
  src_counter = vec4u(0u, prompt, step, task[0].x);
  if (FRESH == 0u) {
    /*unroll*/ for (var i = 0u; i < DIM; i++) { src_theta[i] = task_float(8u + i); }
    return;
  }
  src_draw(0u, prompt, step, src_counter.w);
  var square = 0.0;
  /*unroll*/ for (var i = 0u; i < DIM; i++) { square += src_normal[i] * src_normal[i]; }
  let scale = select(1.0, 1.0 / sqrt(square), FRESH == 1u);
  /*unroll*/ for (var i = 0u; i < DIM; i++) { src_theta[i] = src_normal[i] * scale; }
}

// Fills `token` (its last entry with the true y) for slot 0 (the query) or 1 + i (demonstration i).
fn source_token(slot: u32) {
  if (POOL == 1u) {
    let word = pcg4d(vec4u(slot, src_counter.yzw)).x;
    src_draw(0u, below(word, task[0].w), 0u, task[0].z);
  } else {
    src_draw(slot + 1u, src_counter.y, src_counter.z, src_counter.w);
  }
  token[0] = 1.0;
  var y = src_normal[DIM] * task_float(4u);
  /*unroll*/ for (var i = 0u; i < DIM; i++) {
    var x = 0.0;
    if (COVARIANCE == 1u) {
      // x = F g with F the lower Cholesky factor, row i at FACTOR + i * DIM.
      /*unroll*/ for (var j = 0u; j < i + 1u; j++) {
        x += task_float(FACTOR + i * DIM + j) * src_normal[j];
      }
    } else {
      x = src_normal[i];
    }
    token[1u + i] = x;
    y += src_theta[i] * x;
  }
  token[DIM + 1u] = y;
}
