//! What a recording may ask of a device, by programs of a test's own.

use floe::gpu::{self, Access, Binding, Buffer, Program, ProgramDesc, Recording};

/// Each workgroup writes its number at its place.
const WGSL: &str = "
@group(0) @binding(0) var<storage, read_write> out: array<u32>;
@compute @workgroup_size(1)
fn places(@builtin(workgroup_id) id: vec3u, @builtin(num_workgroups) all: vec3u) {
  let at = (id.z * all.y + id.y) * all.x + id.x;
  out[at] = 100u * id.z + 10u * id.y + id.x + 1u;
}
";

fn places() -> Program {
    Program::new(ProgramDesc {
        kernel: "places",
        entry: "places",
        wgsl: WGSL.into(),
        bindings: vec![Binding { index: 0, name: "out", access: Access::ReadWrite }],
        workgroup: 1,
        shared_bytes: 0,
        loops: 0,
    })
}

#[test]
fn launches_have_three_dimensions() {
    let engine = gpu::open("auto").unwrap_or_else(|e| panic!("{e}"));
    let out = Buffer::words("out", 24);
    let mut recording = Recording::default();
    recording.dispatch(places(), vec![out.clone()], [2, 3, 4]);
    engine.submit(&recording, 1).unwrap();
    let found: Vec<u32> = engine.read(&out).unwrap();
    let wanted = (0..4).flat_map(|z| (0..3).flat_map(move |y| (0..2).map(move |x| 100 * z + 10 * y + x + 1)));
    assert_eq!(found, wanted.collect::<Vec<u32>>());
    // Two are two, the third is 1; each has its limit.
    let mut flat = Recording::default();
    flat.dispatch(places(), vec![Buffer::words("out", 4)], [2, 2]);
    assert_eq!(flat.dispatches[0].groups, [2, 2, 1]);
    let mut deep = Recording::default();
    deep.dispatch(places(), vec![out], [1, 1, 1 << 20]);
    let refused = engine.check(&deep).unwrap_err().to_string();
    assert!(refused.contains("workgroups in a dimension"), "{refused}");
}
