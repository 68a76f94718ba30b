//! A masked step on an arena that is larger than a device's buffers may be: in segments, the same as in one piece.

use floe::gpu::{self, Buffer, DType, Engine, Recording, View};
use floe::kernels::Tuning;
use floe::kernels::shared::masked_update::{hyper, schedule_row};
use floe::kernels::update::arena::{self, Piece, Update};
use floe::optim::{Optimizer, Rule};
use floe::params::{Axis, Blocks, Init, Param, ParamTable, Segments, Spans, mask};
use floe::reference::masked_update as reference;

const STEPS: u64 = 3;

fn table() -> ParamTable {
    let param = |name: &str, shape: [usize; 2]| {
        let axes = vec![Axis::of("row", 0), Axis::of("col", 1)];
        Param::new(name.into(), shape.to_vec(), axes, Init::Normal(0.5), "all".into())
    };
    ParamTable::new([
        param("embed", [701, 33]),
        param("layers.0.q", [64, 48]),
        param("layers.0.v", [48, 64]),
        param("layers.1.v", [37, 41]),
    ])
}

fn optimizers() -> Vec<Optimizer> {
    let one = |lr: f64, weight_decay: f64| Optimizer {
        rule: Rule::AdamW,
        lr,
        weight_decay,
        clip: 0.7,
        ..Optimizer::default()
    };
    vec![one(0.03, 0.0), one(0.01, 0.2)]
}

/// The arena after some steps with the same gradient, in segments of at most so many elements.
fn stepped(
    engine: &Engine,
    tuning: &Tuning,
    masks: &[Spans],
    most: usize,
    start: &[f32],
    grads: &[f32],
) -> (Vec<f32>, Vec<f32>) {
    let table = table();
    let segments = Segments::new(&table, most).unwrap();
    let trained = segments.trained(masks).unwrap();
    let optimizers = optimizers();
    let ring = STEPS as usize;
    let rows: Vec<[f32; 4]> = (0..STEPS)
        .flat_map(|t| optimizers.iter().map(move |o| schedule_row(o, t, o.lr, 0.0)).collect::<Vec<_>>())
        .collect();
    let hypers: Vec<[f32; 8]> = optimizers.iter().map(hyper).collect();
    let (state, norms) = (Buffer::words("state", 1), Buffer::words("norms", ring));
    let update = Update {
        rule: Rule::AdamW,
        hyper: &Buffer::holding("hyper", hypers.as_flattened()),
        groups: optimizers.len(),
        schedule: &Buffer::holding("schedule", rows.as_flattened()),
        state: &state,
        norms: &norms,
        ring,
    };
    let buffers: Vec<Buffer> = segments.lens.iter().map(|len| Buffer::words("params", *len)).collect();
    let mut pieces = Vec::new();
    for (segment, own) in trained.iter().enumerate() {
        let gradient = Buffer::words("grads", own.grad_len);
        let places = segments.places.iter().filter(|place| place.segment == segment);
        for (place, grad) in places.zip(&own.grads) {
            let view = |buffer: &Buffer, at: usize| {
                View::new(buffer, 4 * at as u64, place.elements.len(), DType::F32)
            };
            engine.write(view(&buffers[segment], place.offset), &start[place.elements.clone()]).unwrap();
            if let Some(at) = grad {
                engine.write(view(&gradient, *at), &grads[place.elements.clone()]).unwrap();
            }
        }
        let moments = Buffer::words("moments", 8 * own.blocks.quads);
        pieces.push(Piece::new(&own.blocks, &gradient, &buffers[segment], &moments));
    }
    let recording: Recording = arena::record(&update, &pieces, tuning);
    for step in 0..STEPS as u32 {
        engine.write(&state, &[step]).unwrap();
        engine.submit(&recording, 1).unwrap();
    }
    let mut arena = Vec::new();
    for place in &segments.places {
        let view =
            View::new(&buffers[place.segment], 4 * place.offset as u64, place.elements.len(), DType::F32);
        arena.extend(engine.read::<f32>(view).unwrap());
    }
    (arena, engine.read::<f32>(norms.view(DType::F32)).unwrap()[..ring].to_vec())
}

#[test]
#[should_panic(expected = "blocks beyond `params`")]
fn a_block_beyond_its_segment_is_not_recorded() {
    let blocks = Blocks::of(&Spans::all(4096)).unwrap();
    let [grads, params] = [("grads", 4096), ("params", 4092)].map(|(label, len)| Buffer::words(label, len));
    Piece::new(&blocks, &grads, &params, &Buffer::words("moments", 8192));
}

#[test]
fn what_a_segment_aligns_by_is_what_a_view_begins_at() {
    assert_eq!(4 * floe::params::ALIGN as u64, gpu::ALIGN);
}

#[test]
fn a_small_step_is_one_launch() {
    let engine = gpu::open("auto").unwrap_or_else(|e| panic!("{e}"));
    let tuning = Tuning::of(engine.adapter());
    let word = || Buffer::words("word", 8);
    let (hyper, schedule, state, norms) = (word(), word(), word(), word());
    let update = Update {
        rule: Rule::AdamW,
        hyper: &hyper,
        groups: 1,
        schedule: &schedule,
        state: &state,
        norms: &norms,
        ring: 1,
    };
    let launches = |pieces: &[usize]| {
        let piece = |&len: &usize| {
            let blocks = Blocks::of(&Spans::all(len)).unwrap();
            let [grads, params] = ["grads", "params"].map(|label| Buffer::words(label, len));
            Piece::new(&blocks, &grads, &params, &Buffer::words("moments", 2 * len + 8))
        };
        let pieces: Vec<Piece> = pieces.iter().map(piece).collect();
        let recording = arena::record(&update, &pieces, &tuning);
        recording.dispatches().map(|d| d.program.entry).collect::<Vec<_>>()
    };
    assert_eq!(launches(&[4096]), ["lone_update"]);
    assert_eq!(launches(&[4097]), ["grad_norm", "grad_norm_total", "block_update"]);
    assert_eq!(launches(&[4, 4]).len(), 5, "segments are apart");
    assert_eq!(launches(&[0, 4]), ["lone_update"], "where nothing is trained nothing is done");
    assert!(launches(&[]).is_empty() && launches(&[0]).is_empty());
}

#[test]
fn a_step_in_segments_is_the_reference_s_and_frozen_elements_keep_their_bits() {
    let engine = gpu::open("auto").unwrap_or_else(|e| panic!("{e}"));
    let tuning = Tuning::of(engine.adapter());
    let table = table();
    let start = table.init(3);
    let grads: Vec<f32> = table.init(4).iter().map(|x| 0.1 * x).collect();
    let of = |pattern: &str| mask::resolve(&[pattern.to_string()], &table).unwrap();
    for (patterns, segments) in [
        (["embed", "*.v"], vec![usize::MAX, 8192, 4096]),
        (["layers.0.q[row=5]", "*.v[col=-1]"], vec![usize::MAX, 4096]),
        (["embed[row=0..3]", "layers.1.v"], vec![usize::MAX, 1000]),
    ] {
        let masks: Vec<Spans> = patterns.iter().map(|pattern| of(pattern)).collect();
        let all = masks.iter().fold(Spans::default(), |all, mask| all.union(mask));
        let norm = all.elements().map(|e| f64::from(grads[e]).powi(2)).sum::<f64>().sqrt();
        let mut expected: Vec<f64> = start.iter().map(|&x| f64::from(x)).collect();
        for (mask, own) in masks.iter().zip(optimizers()) {
            let elements: Vec<usize> = mask.elements().collect();
            let scale = (own.clip / (norm + 1e-6)).min(1.0);
            let clipped: Vec<f64> = elements.iter().map(|&e| f64::from(grads[e]) * scale).collect();
            let mut moments = vec![0.0; 2 * elements.len()];
            let unclipped = Optimizer { clip: 0.0, ..own.clone() };
            for step in 0..STEPS {
                reference::masked_update(
                    &unclipped,
                    own.lr,
                    step,
                    &elements,
                    &clipped,
                    &mut expected,
                    &mut moments,
                );
            }
        }
        for most in segments {
            let most = most.min(engine.adapter().storage_bytes as usize / 4);
            let (found, norms) = stepped(&engine, &tuning, &masks, most, &start, &grads);
            assert!(norms.iter().all(|n| (f64::from(*n) / norm - 1.0).abs() < 1e-5), "{norms:?}, not {norm}");
            for (element, value) in found.iter().enumerate() {
                if all.contains(element) {
                    let off = (f64::from(*value) - expected[element]).abs();
                    assert!(off < 2e-6, "{patterns:?}, {most}: element {element} is off by {off}");
                    assert_ne!(value.to_bits(), start[element].to_bits());
                } else {
                    assert_eq!(
                        value.to_bits(),
                        start[element].to_bits(),
                        "{patterns:?}, {most}: element {element}"
                    );
                }
            }
        }
    }
}
