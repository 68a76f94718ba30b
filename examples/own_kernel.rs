//! A kernel of one's own through floe's parity: y = a x + y, compared with f64 on the device at hand.
//!
//! A kernel is text, bindings and a size; a recording is launches in order, plain data until the engine runs it. The
//! comparator that checks floe's own kernels fills every output with NaN beforehand and looks behind its end afterwards.

use floe::kernels::Case;
use floe::{Engine, Result, check, gpu};
use gpu::{Access, Binding, Buffer, Program, ProgramDesc, Recording};

const WORKGROUP: usize = 64;

/// Records y = a x + y over `count` elements.
fn axpy(a: f32, x: &Buffer, y: &Buffer, count: usize) -> Recording {
    let wgsl = format!(
        "@group(0) @binding(0) var<storage, read> x: array<f32>;
         @group(0) @binding(1) var<storage, read_write> y: array<f32>;

         @compute @workgroup_size({WORKGROUP})
         fn axpy(@builtin(global_invocation_id) id: vec3u) {{
           if (id.x < {count}u) {{ y[id.x] = {a:?}f * x[id.x] + y[id.x]; }}
         }}"
    );
    let bindings = vec![Binding::new(0, "x", Access::Read), Binding::new(1, "y", Access::ReadWrite)];
    let program = Program::new(ProgramDesc {
        kernel: "axpy",
        entry: "axpy",
        wgsl,
        bindings,
        workgroup: WORKGROUP as u32,
        shared_bytes: 0,
        loops: 0,
    });
    let mut recording = Recording::default();
    // Checked on the device: an index out of bounds touches nothing of another's.
    recording.dispatch(program, vec![x.clone(), y.clone()], [count.div_ceil(WORKGROUP) as u32, 1]);
    recording
}

/// A comparison of `count` elements; `a` is what the reference multiplies by.
fn compare(engine: &Engine, count: usize, a: f64) -> Result<check::Row> {
    let value = |i: usize| (i as f32 * 0.37).sin();
    let (x, y): (Vec<f32>, Vec<f32>) = ((0..count).map(value).collect(), (1..=count).map(value).collect());
    let (on_x, on_y) = (Buffer::holding("x", &x), Buffer::holding("y", &y));
    let expected = x.iter().zip(&y).map(|(x, y)| a * *x as f64 + *y as f64).collect();
    let case = Case::new(format!("{count} elements"), axpy(0.5, &on_x, &on_y, count)).f32(&on_y, expected);
    check::run("axpy", case, engine)
}

fn main() -> Result<()> {
    let engine = gpu::open("auto")?;
    // Odd sizes, and one with a wrong reference: a comparator that takes everything would be none.
    for (count, a) in [(1, 0.5), (63, 0.5), (1000, 0.5), (1000, 0.51)] {
        let row = compare(&engine, count, a)?;
        let outcome = if row.passes() { "passes".to_string() } else { format!("fails: {}", row.failure) };
        println!("axpy, {}, a = {a}: {outcome}", row.case);
    }
    Ok(())
}
