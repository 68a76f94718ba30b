// Gradient of causal softmax attention, scores made again from the sums of their exponentials (Dao 2023, arXiv 2307.08691): with
// p_tj = exp(s_tj - sum_t) and along_t = dO_t · o_t, dv_j = Σ_t p_tj dO_t, ds_tj = p_tj (dO_t · v_j - along_t), dq_t = Σ_j ds_tj k_j / √D
// and dk_j = Σ_t ds_tj q_t / √D, over the queries t of all heads that share key j. One launch has a query a lane, the other a key a
// lane: each adds up its own in a fixed order. The host side writes out how they meet: src/kernels/backward/attention_grad/walk.rs.

@group(0) @binding(0) var<uniform> cursor: vec4u;   // x: rows
