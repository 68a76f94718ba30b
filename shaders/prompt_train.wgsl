// Whole training steps, at most STEPS a launch, that never leave the registers: forward and backward as in prompt_step,
// clipping and update as in masked_update. One workgroup, which is one subgroup, trains the GROUP models of its place in
// x: its invocations share the batch, subgroup sums give each the whole gradient, and all do the same update.

@group(0) @binding(1) var<uniform> hyper: array<Hyper, MODELS>;
@group(0) @binding(2) var<storage, read> schedule: array<vec4f>;       // [ring, MODELS] lr, few weight, 1/(1-b1^t), 1/(1-b2^t)
@group(0) @binding(3) var<storage, read> slots: array<u32>;            // [MODELS, 4 WEIGHTS4] place among the trained, or NONE
@group(0) @binding(4) var<storage, read_write> params: array<f32>;     // [MODELS, 4 WEIGHTS4]: [L][V | QK][H, D, D]
@group(0) @binding(5) var<storage, read_write> moments: array<f32>;    // [MODELS, STATES, TRAINED]
@group(0) @binding(6) var<storage, read_write> state: array<u32>;      // [MODELS] the step
@group(0) @binding(7) var<storage, read_write> metrics: array<vec4f>;  // [MODELS, RING] zs loss, fs loss, gradient norm, 0
@group(0) @binding(8) var<storage, read> until: array<u32>;            // [0]: the step to stop before

const NONE: u32 = 0xffffffffu;
const ALL: u32 = 2u * TENSORS;

var<private> slot: array<u32, GROUP * ALL>;
var<private> first_moment: array<f32, GROUP * ALL>;
var<private> second_moment: array<f32, (GROUP * ALL - 1u) * (STATES - 1u) + 1u>;  // One, unused, of SGD.

fn weight(model: u32, i: u32) -> f32 { return params[model * WEIGHTS4 * 4u + i]; }

@compute @workgroup_size(WG)
fn prompt_train(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) group: vec3u) {
  let first = first_model(group.x);
  take_models(first);
  take_moments(first);
  var step = state[first];
  for (var round = 0u; round < STEPS; round++) {
    if (step >= until[0]) { break; }
    let row = step % (arrayLength(&schedule) / MODELS) * MODELS;
    /*each*/ for (var j = 0u; j < GROUP; j++) {
      few_weight[j] = schedule[row + first + j].y / f32(BATCH);
      /*unroll*/ for (var i = 0u; i < ENTRIES; i++) {
        grad[i] = 0.0;
        kept_grad[j * ROOM + i] = 0.0;
      }
      losses[j] = 0.0;
      losses[GROUP + j] = 0.0;
    }
    for (var prompt = lane; prompt < BATCH; prompt += WG) { descend_prompt(prompt, step); }
    update(first, step, row, lane);
    step += 1u;
  }
  if (lane == 0u) { put_back(first, step); }
}

// The trained list of each model, and its moments.
fn take_moments(first: u32) {
  /*each*/ for (var j = 0u; j < GROUP; j++) {
    let from_moment = (first + j) * STATES * TRAINED;
    /*unroll*/ for (var i = 0u; i < ALL; i++) {
      let at = slots[(first + j) * WEIGHTS4 * 4u + i];
      slot[j * ALL + i] = at;
      if (at != NONE) {
        first_moment[j * ALL + i] = moments[from_moment + at];
        if (STATES == 2u) { second_moment[(j * ALL + i) * (STATES - 1u)] = moments[from_moment + TRAINED + at]; }
      }
    }
  }
}

// Sums the gradient over the invocations and updates each model with it.
fn update(first: u32, step: u32, row: u32, lane: u32) {
  /*each*/ for (var j = 0u; j < GROUP; j++) {
    let model = first + j;
    let own = hyper[model];
    let now = schedule[row + model];
    if (GROUP > 1u) {
      /*unroll*/ for (var i = 0u; i < TENSORS; i++) {
        w_v[i] = kept_v[j * TENSORS + i];
        w_qk[i] = kept_qk[j * TENSORS + i];
      }
      /*unroll*/ for (var i = 0u; i < ENTRIES; i++) { grad[i] = kept_grad[j * ROOM + i]; }
    }
    /*unroll*/ for (var i = 0u; i < ENTRIES; i++) { grad[i] = subgroupAdd(grad[i]); }
    // Each parameter meets its place in the gradient: all indexes are constants. Structural zeros have none.
    var norm = 0.0;
    /*each*/ for (var turn = 0u; turn < 2u; turn++) {
      let scale = clipped(own, sqrt(norm));
      /*each*/ for (var lh = 0u; lh < LAYERS * HEADS; lh++) {
        /*unroll*/ for (var a = 0u; a < D; a++) {
          /*unroll*/ for (var b = 0u; b < D; b++) {
            const l = lh / HEADS;
            const h = lh % HEADS;
            const e = a * D + b;
            const v = j * ALL + (2u * l * HEADS + h) * DD + e;
            const qk = v + HEADS * DD;
            let v_read = TRAIN_V[l] && (l < LAST || a == D - 1u);
            let v_grad = select(0.0, grad[AT_V[l] + select(h * D + b, h * DD + e, l < LAST)], v_read);
            let qk_grad = select(0.0, grad[AT_QK[l] + h * DD + e], TRAIN_QK[l]);
            if (turn == 0u) {
              if (slot[v] != NONE) { norm += v_grad * v_grad; }
              if (slot[qk] != NONE) { norm += qk_grad * qk_grad; }
            } else {
              const v2 = v * (STATES - 1u);
              const qk2 = qk * (STATES - 1u);
              if (slot[v] != NONE) {
                let old = vec3f(w_v[lh * DD + e], first_moment[v], second_moment[v2]);
                let after = updated(own, now, old, v_grad * scale);
                w_v[lh * DD + e] = after.x;
                first_moment[v] = after.y;
                if (STATES == 2u) { second_moment[v2] = after.z; }
              }
              if (slot[qk] != NONE) {
                let old = vec3f(w_qk[lh * DD + e], first_moment[qk], second_moment[qk2]);
                let after = updated(own, now, old, qk_grad * scale);
                w_qk[lh * DD + e] = after.x;
                first_moment[qk] = after.y;
                if (STATES == 2u) { second_moment[qk2] = after.z; }
              }
            }
          }
        }
      }
    }
    if (GROUP > 1u) {
      /*unroll*/ for (var i = 0u; i < TENSORS; i++) {
        kept_v[j * TENSORS + i] = w_v[i];
        kept_qk[j * TENSORS + i] = w_qk[i];
      }
    }
    let zs = subgroupAdd(losses[j]) / f32(BATCH);
    let fs = subgroupAdd(losses[GROUP + j]) / f32(BATCH);
    if (lane == 0u) { metrics[model * RING + step % RING] = vec4f(zs, fs, sqrt(norm), 0.0); }
  }
}

// Writes what the steps have changed: trained elements, their moments, the step.
fn put_back(first: u32, step: u32) {
  /*each*/ for (var j = 0u; j < GROUP; j++) {
    let model = first + j;
    /*each*/ for (var lh = 0u; lh < LAYERS * HEADS; lh++) {
      /*unroll*/ for (var e = 0u; e < DD; e++) {
        const v = (2u * (lh / HEADS) * HEADS + lh % HEADS) * DD + e;
        const qk = v + HEADS * DD;
        put_element(model, v, slot[j * ALL + v], select(kept_v[j * TENSORS + lh * DD + e], w_v[lh * DD + e], GROUP == 1u));
        put_element(model, qk, slot[j * ALL + qk], select(kept_qk[j * TENSORS + lh * DD + e], w_qk[lh * DD + e], GROUP == 1u));
      }
    }
    /*unroll*/ for (var i = 0u; i < ALL; i++) {
      let at = slot[j * ALL + i];
      if (at != NONE) {
        moments[model * STATES * TRAINED + at] = first_moment[j * ALL + i];
        if (STATES == 2u) { moments[(model * STATES + 1u) * TRAINED + at] = second_moment[(j * ALL + i) * (STATES - 1u)]; }
      }
    }
    state[model] = step;
  }
}

fn put_element(model: u32, i: u32, at: u32, value: f32) {
  if (at != NONE) { params[model * WEIGHTS4 * 4u + i] = value; }
}
