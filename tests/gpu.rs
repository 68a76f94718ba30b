//! What a recording may ask of a device, by programs of a test's own.

#[path = "common/texels.rs"]
mod texels;

use floe::check;
use floe::gpu::{
    self, Access, Binding, Buffer, DType, Engine, Held, Program, ProgramDesc, Recording, Resource, TexelRows,
    Texels, Texture, View,
};
use floe::kernels::Case;

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
        bindings: vec![Binding::new(0, "out", Access::ReadWrite)],
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
    assert_eq!(flat.dispatches().next().unwrap().groups, [2, 2, 1]);
    let mut deep = Recording::default();
    deep.dispatch(places(), vec![out], [1, 1, 1 << 20]);
    let refused = engine.check(&deep).unwrap_err().to_string();
    assert!(refused.contains("workgroups in a dimension"), "{refused}");
}

fn open() -> Engine {
    gpu::open("auto").unwrap_or_else(|e| panic!("{e}"))
}

/// A word more in each of so many.
fn adds(words: usize) -> Program {
    Program::new(ProgramDesc {
        kernel: "adds",
        entry: "adds",
        wgsl: format!(
            "@group(0) @binding(0) var<storage, read> given: array<u32>;
@group(0) @binding(1) var<storage, read_write> out: array<u32>;
@compute @workgroup_size(1)
fn adds() {{
  for (var i = 0u; i < {words}u; i++) {{ out[i] = given[i] + arrayLength(&given); }}
}}
"
        ),
        bindings: vec![
            Binding::new(0, "given", Access::Read).words(words),
            Binding::new(1, "out", Access::ReadWrite).words(words),
        ],
        workgroup: 1,
        shared_bytes: 0,
        loops: words as u64,
    })
}

#[test]
fn a_kernel_sees_the_view_that_it_is_given_and_nothing_beside() {
    let engine = open();
    let given = Buffer::holding("given", &(0..256).collect::<Vec<u32>>());
    let out = Buffer::holding("out", &[7u32; 256]);
    let view = |buffer: &Buffer, from: u64, len| View::new(buffer, from, len, DType::U32);
    let mut recording = Recording::default();
    let (from, to) = (view(&given, 512, 3), view(&out, 256, 3));
    recording.dispatch(adds(3), vec![from, to.clone()], [1, 1]);
    engine.submit(&recording, 1).unwrap();
    let found: Vec<u32> = engine.read(&out).unwrap();
    assert_eq!(found[64..67], [131, 132, 133]);
    assert!(found.iter().enumerate().all(|(i, &x)| (64..67).contains(&i) || x == 7), "{found:?}");
    assert_eq!(engine.read::<u32>(&to).unwrap(), [131, 132, 133]);
    assert_eq!(engine.read::<u32>(to.slice(1..2)).unwrap(), [132]);
}

#[test]
fn half_precision_has_half_the_bytes() {
    let engine = open();
    let values: Vec<half::f16> = (0..5).map(|x| half::f16::from_f32(x as f32 / 2.0)).collect();
    let bits: Vec<u16> = values.iter().map(|x| x.to_bits()).collect();
    let buffer = Buffer::words("halves", 8);
    let view = View::new(&buffer, 4, 5, DType::F16);
    assert_eq!((view.bytes(), buffer.view(DType::F16).len()), (12, 16));
    engine.write(&view, &[bits[0], bits[1], bits[2], bits[3], bits[4], 0]).unwrap();
    assert_eq!(engine.read::<u16>(&view).unwrap(), bits);
    assert_eq!(engine.read::<u16>(view.slice(2..4)).unwrap(), bits[2..4]);
}

#[test]
fn commands_run_in_their_order_each_time() {
    let engine = open();
    let (given, out, kept) = (Buffer::words("given", 4), Buffer::words("out", 4), Buffer::words("kept", 12));
    let mut recording = Recording::default();
    recording.upload(&given, &[1u32, 2, 3, 4]);
    recording.dispatch(adds(4), vec![given.clone(), out.clone()], [1, 1]);
    let part = |from: u64, len| View::new(&kept, from, len, DType::U32);
    recording.copy(&out, part(16, 4));
    recording.clear(part(20, 1));
    recording.dispatch(adds(4), vec![out.clone(), given.clone()], [1, 1]);
    recording.copy(View::new(&given, 0, 2, DType::U32), part(36, 2));
    for _ in 0..2 {
        engine.write(&kept, &[9u32; 12]).unwrap();
        engine.submit(&recording, 3).unwrap();
        let found: Vec<u32> = engine.read(&kept).unwrap();
        assert_eq!(found, [9, 9, 9, 9, 5, 0, 7, 8, 9, 9, 10, 9], "{found:?}");
    }
    let timed = engine.submit_timed(&recording, 2).unwrap().len();
    assert!([0, 4].contains(&timed), "a time a launch, none a copy: {timed}");
}

#[test]
fn textures_are_filled_read_and_written() {
    let engine = open();
    let (width, height, pitch) = (5u32, 3u32, 64u32);
    for (texels, lanes) in [(Texels::Rgba32Float, 4), (Texels::R32Float, 1)] {
        let rows: Vec<f32> = (0..height * pitch * lanes).map(|x| x as f32).collect();
        let (from, to) = (Buffer::holding("rows", &rows), Buffer::words("mirrored", rows.len()));
        let size = [width, height];
        let (read, written) = (Texture::new("read", size, texels), Texture::new("written", size, texels));
        let mut recording = Recording::default();
        let side = |buffer: &Buffer, texture: &Texture| TexelRows {
            view: buffer.view(DType::F32),
            pitch,
            texture: texture.clone(),
            at: [0, 0],
            size,
        };
        recording.fill_texture(side(&from, &read));
        recording.dispatch(texels::program(texels), vec![read.clone(), written.clone()], [2, height]);
        recording.read_texture(side(&to, &written));
        engine.submit(&recording, 1).unwrap();
        let found: Vec<f32> = engine.read(&to).unwrap();
        let at = |x: u32, y: u32, lane: u32| ((y * pitch + x) * lanes + lane) as usize;
        for (x, y) in (0..height).flat_map(|y| (0..width).map(move |x| (x, y))) {
            for lane in 0..lanes {
                let mirrored = at(width - 1 - x, height - 1 - y, lane);
                assert_eq!(found[mirrored], 2.0 * rows[at(x, y, lane)], "{texels:?} {x} {y} {lane}");
            }
        }
        assert!(found[at(width, 0, 0)..at(0, 1, 0)].iter().all(|&x| x == 0.0), "what is between rows");
    }
}

#[test]
fn the_ledger_knows_what_is_held_by_label() {
    let engine = open();
    let before = engine.ledger();
    let (large, small) = (Buffer::words("large", 1 << 20), Buffer::words("small", 5));
    let texture = Texture::new("texels", [64, 2], Texels::Rgba32Float);
    let mut recording = Recording::default();
    recording.clear(&large);
    recording.clear(&small);
    recording.clear(&small);
    let rows = TexelRows {
        view: large.view(DType::F32),
        pitch: 64,
        texture: texture.clone(),
        at: [0, 0],
        size: [64, 2],
    };
    recording.fill_texture(rows);
    let planned = recording.memory();
    assert_eq!(planned.of("small"), Held { count: 1, bytes: 32, peak: 32 });
    assert_eq!(planned.of("texels"), Held { count: 1, bytes: 2048, peak: 2048 });
    assert_eq!((planned.rows()[0].0, planned.bytes()), ("large", (4 << 20) + 32 + 2048));
    engine.submit(&recording, 1).unwrap();
    let held = engine.ledger();
    assert_eq!(held.bytes() - before.bytes(), planned.bytes(), "what was planned is what is held");
    assert_eq!(held.of("large").bytes, 4 << 20);
    drop((recording, large, small, texture));
    let after = engine.ledger();
    assert_eq!(
        (after.bytes(), after.of("large")),
        (before.bytes(), Held { peak: 4 << 20, ..Held::default() })
    );
    assert!(after.peak() >= held.bytes());
}

#[test]
fn large_transfers_go_in_pieces_and_arrive_whole() {
    let engine = open();
    // Twice a piece and some, from a place within the buffer.
    let words = (40 << 20) / 4 + 2;
    let buffer = Buffer::words("large", words + 64);
    let view = View::new(&buffer, 256, words, DType::U32);
    let data: Vec<u32> = (0..words as u32).map(|x| x.wrapping_mul(2_654_435_761)).collect();
    engine.write(&view, &data).unwrap();
    assert!(engine.read::<u32>(&view).unwrap() == data);
    // Numbers of three words, which no power of two is a multiple of.
    let threes: Vec<[u32; 3]> = engine.read(&view).unwrap();
    assert!(threes.as_flattened() == &data[..]);
    let sizes: Vec<usize> = view.pieces(16 << 20).map(|piece| piece.len()).collect();
    assert_eq!(sizes, [4 << 20, 4 << 20, words - (8 << 20)]);
}

fn panics(what: impl FnOnce() + std::panic::UnwindSafe) -> String {
    let caught = std::panic::catch_unwind(what).expect_err("a panic");
    caught.downcast_ref::<String>().cloned().or(caught.downcast_ref::<&str>().map(|s| s.to_string())).unwrap()
}

#[test]
fn what_no_device_could_do_is_not_recorded() {
    let words = |count| Buffer::words("words", count);
    let dispatch =
        |resources: Vec<Resource>| panics(|| Recording::default().dispatch(adds(8), resources, [1, 1]));
    let same = words(64);
    let view = |from, len| View::new(&same, from, len, DType::U32);
    assert!(dispatch(vec![words(8).into()]).contains("1 resources for 2 bindings"));
    assert!(dispatch(vec![view(0, 0).into(), words(8).into()]).contains("`given` is empty"));
    assert!(dispatch(vec![words(4).into(), words(8).into()]).contains("`given` has 16 bytes of 32"));
    assert!(dispatch(vec![words(8).into(), view(16, 8).into()]).contains("`out` begins at byte 16"));
    assert!(dispatch(vec![same.clone().into(), same.clone().into()]).contains("the same, and written"));
    let texture = Texture::new("texels", [1, 1], Texels::R32Float);
    assert!(dispatch(vec![texture.into(), words(8).into()]).contains("no texture"));
    assert!(panics(|| drop(View::new(&words(4), 8, 3, DType::U32))).contains("3 of U32 at byte 8"));
    assert!(panics(|| Recording::default().copy(&words(4), &words(8))).contains("bytes copied"));
    assert!(panics(|| Recording::default().copy(&same.clone(), &same.clone())).contains("within itself"));
}

/// Twice 1 … 8 through a texture, as a case: what is copied is held, and what is only copied is seen.
#[test]
fn a_case_holds_what_copies_and_textures_write() {
    let engine = open();
    let case = |expected: Vec<f64>, seen: bool| {
        let texture = |label| Texture::new(label, [2, 1], Texels::Rgba32Float);
        let (read, written) = (texture("read"), texture("written"));
        let values: Vec<f32> = (1..9).map(|x| x as f32).collect();
        let (from, to) = (Buffer::holding("from", &values), Buffer::words("to", 16));
        let side = |view: View, texture: &Texture| TexelRows {
            view,
            pitch: 2,
            texture: texture.clone(),
            at: [0, 0],
            size: [2, 1],
        };
        let mut recording = Recording::default();
        recording.fill_texture(side(from.view(DType::F32), &read));
        recording.dispatch(texels::program(Texels::Rgba32Float), vec![read, written.clone()], [1, 1]);
        if seen {
            recording.read_texture(side(View::new(&to, 32, 8, DType::F32), &written));
        }
        recording.clear(View::new(&to, 0, 8, DType::F32));
        Case::new("mirrored", recording).f32(&to, expected)
    };
    let mut expected = vec![0.0; 8];
    expected.extend([5.0, 6.0, 7.0, 8.0, 1.0, 2.0, 3.0, 4.0].map(|x| 2.0 * x));
    let row = check::run("mirror", case(expected.clone(), true), &engine).unwrap();
    assert!(row.passes(), "{row:?}");
    expected[9] += 0.5;
    assert!(!check::run("mirror", case(expected.clone(), true), &engine).unwrap().passes());
    let unseen = check::run("mirror", case(expected, false), &engine).unwrap();
    assert_eq!(unseen.failure, "`written` may be written, and nothing is expected of it");
}
