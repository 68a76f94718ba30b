//! Sums and maxima over a workgroup: by exchange in a subgroup where the workgroup is one, else in workgroup memory.

use super::Tuning;
use std::fmt::Write;

/// The text of `sum_all(lane, value)` and `max_all(lane, value)`, the same bits in every invocation.
pub(super) fn text(tuning: &Tuning) -> String {
    let mut text = String::new();
    let shuffled = tuning.subgroup == tuning.workgroup;
    if !shuffled {
        text += "var<workgroup> lanes: array<f32, WG>;\n";
    }
    let sides = [("sum_all", "a + b"), ("max_all", "max(a, b)")];
    let stages = tuning.workgroup.ilog2();
    for (name, both) in sides {
        // A string takes it.
        let _ = writeln!(text, "fn {name}_(a: f32, b: f32) -> f32 {{ return {both}; }}");
        let _ = writeln!(text, "fn {name}(lane: u32, value: f32) -> f32 {{");
        if shuffled {
            let _ = writeln!(text, "  var all = value;");
            for stage in 0..stages {
                let _ = writeln!(text, "  all = {name}_(all, subgroupShuffleXor(all, {}u));", 1 << stage);
            }
            let _ = writeln!(text, "  return all;\n}}");
        } else {
            let _ = writeln!(text, "  lanes[lane] = value;\n  workgroupBarrier();");
            for stage in 0..stages {
                let half = tuning.workgroup >> (stage + 1);
                let _ = writeln!(
                    text,
                    "  if (lane < {half}u) {{ lanes[lane] = {name}_(lanes[lane], lanes[lane + {half}u]); }}\n  workgroupBarrier();"
                );
            }
            let _ = writeln!(text, "  let all = lanes[0];\n  workgroupBarrier();\n  return all;\n}}");
        }
    }
    text
}

/// Bytes of workgroup memory that they take.
pub(super) fn shared(tuning: &Tuning) -> usize {
    if tuning.subgroup == tuning.workgroup { 0 } else { 4 * tuning.workgroup }
}
