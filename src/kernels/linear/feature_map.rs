//! `feature_map`: what linear attention makes of queries and keys before they meet, head by head; and its gradient.

mod cases;

pub(in crate::kernels) use cases::{benches, cases};

use crate::gpu::{Consts, Recording};
use crate::kernels::layout::cursor::Cursor;
use crate::kernels::layout::operand::{Bound, Operand};
use crate::kernels::tensor::EXP;
use crate::kernels::{Entry, Tuning, program};
pub use crate::reference::layers::Feature;

const SHADER: &str = include_str!("../../../shaders/linear/feature_map.wgsl");

/// A map's value and slope of a vec4, and whether a head's length is divided out.
fn text(feature: Feature) -> (&'static str, &'static str, bool) {
    match feature {
        Feature::Unit => ("x", "vec4f(1.0)", true),
        Feature::Relu => ("max(x, vec4f())", "select(vec4f(), vec4f(1.0), x > vec4f())", false),
        Feature::Elu => {
            ("select(exp4(x), x + 1.0, x > vec4f())", "select(exp4(x), vec4f(1.0), x > vec4f())", false)
        }
    }
}

fn launch(
    name: &'static str,
    feature: Feature,
    dim: usize,
    arrays: [Option<&Operand>; 3],
    cursor: &Cursor,
    tuning: &Tuning,
) -> Recording {
    let [Some(x), dy, Some(y)] = arrays else { panic!("what is read and written") };
    let rows = y.rows();
    let (value, slope, unit) = text(feature);
    let mut bound = Bound::default().with(Cursor::binding(0), cursor.view()).read(x, 1, "x", rows);
    match dy {
        Some(dy) => bound = bound.read(dy, 2, "dy", rows),
        None => bound.text += "fn get_dy(row: u32, quad: u32) -> vec4f { return vec4f(); }\n",
    }
    bound = bound.write(y, 3, "y", rows);
    bound.text += &format!(
        "fn value(x: vec4f) -> vec4f {{ return {value}; }}\nfn slope(x: vec4f) -> vec4f {{ return {slope}; }}\n"
    );
    let heads = y.cols() / dim;
    let entry = Entry {
        kernel: "feature_map",
        name,
        workgroup: tuning.workgroup,
        shared_bytes: 0,
        loops: (dim / 2 + 1) as u64,
    };
    let consts =
        Consts::default().u32("D4", dim / 4).u32("HEADS", heads).u32("UNIT", unit.into()).u32("ROWS", rows);
    let body = match dy {
        None => include_str!("../../../shaders/linear/common/feature_forward.wgsl"),
        Some(_) => include_str!("../../../shaders/linear/common/feature_backward.wgsl"),
    };
    let program = program(entry, &[&bound.text, EXP, SHADER, body], consts, bound.bindings);
    let mut recording = Recording::default();
    recording.launch(program, bound.resources, [tuning.groups(heads), rows as u32]);
    recording
}

/// `[rows, heads D]`: `y` of `x`.
pub fn record(
    feature: Feature,
    x: &Operand,
    y: &Operand,
    dim: usize,
    cursor: &Cursor,
    tuning: &Tuning,
) -> Recording {
    launch("feature_map", feature, dim, [Some(x), None, Some(y)], cursor, tuning)
}

/// What `dy` makes of `x`.
pub fn record_grad(
    feature: Feature,
    [x, dy, dx]: [&Operand; 3],
    dim: usize,
    cursor: &Cursor,
    tuning: &Tuning,
) -> Recording {
    launch("feature_map_grad", feature, dim, [Some(x), Some(dy), Some(dx)], cursor, tuning)
}
