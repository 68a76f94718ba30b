//! Every kernel against its reference on the device at hand, and the comparator that decides.

use floe::check;
use floe::compare::{MAX, RMS, distance};
use floe::gpu::{self, Access, Buffer, Command, Program, ProgramDesc};
use floe::kernels::{CANARIES, Case, Expect, KEPT, KERNELS, POISON, Tuning, VARIANTS, Values};

#[test]
fn every_kernel_matches_its_reference() {
    let engine = gpu::open("auto").unwrap_or_else(|e| panic!("{e}"));
    let mut red = Vec::new();
    for variant in VARIANTS.iter().filter(|v| v.fits(engine.adapter())) {
        let tuning = Tuning::named(variant.name, engine.adapter()).unwrap();
        for kernel in KERNELS {
            let rows = check::of(kernel, &engine, &tuning).unwrap_or_else(|e| panic!("{}: {e}", kernel.stem));
            // Variants without sums over a subgroup do not use it.
            let unused = kernel.stem == "prompt_train" && tuning.subgroup == 1;
            assert_eq!(rows.is_empty(), unused, "cases of kernel `{}`", kernel.stem);
            red.extend(rows.into_iter().filter(|row| !row.passes()).map(|row| format!("{tuning:?} {row:?}")));
        }
    }
    assert!(red.is_empty(), "{}", red.join("\n"));
}

#[test]
fn the_comparator_takes_equal_and_nearly_equal_arrays() {
    let expected = [1.0, -2.0, 3.0, 1e-3];
    let found = expected.map(|x| x as f32);
    assert!(distance(&found, &expected).unwrap().passes());
    let near = expected.map(|x| (x * (1.0 + 0.5 * RMS)) as f32);
    assert!(distance(&near, &expected).unwrap().passes());
    assert!(distance(&[0.0, 0.0], &[0.0, 0.0]).unwrap().passes());
}

#[test]
fn the_comparator_rejects_one_altered_element() {
    let expected: Vec<f64> = (0..10_000).map(|i| (i as f64 * 0.7).sin()).collect();
    let mut found: Vec<f32> = expected.iter().map(|&x| x as f32).collect();
    assert!(distance(&found, &expected).unwrap().passes());
    // Far too small for the mean square over ten thousand elements: the maximum must catch it.
    found[4321] += 2.0 * MAX as f32;
    let far = distance(&found, &expected).unwrap();
    assert!(far.rms <= RMS && !far.passes(), "{far:?}");
}

#[test]
fn the_comparator_rejects_swapped_buffers_nan_and_wrong_lengths() {
    let (a, b) = ([1.0f32, 2.0, 3.0], [3.0, 2.0, 1.0]);
    assert!(!distance(&a, &b).unwrap().passes());
    assert!(distance(&[1.0, f32::NAN], &[1.0, 2.0]).is_err());
    assert!(distance(&[1.0, f32::INFINITY], &[1.0, f64::INFINITY]).is_err());
    assert!(distance(&[1.0, f32::NAN], &[1.0, f64::NAN]).is_err());
    assert!(distance(&[1.0], &[1.0, 2.0]).is_err());
    assert!(distance(&[], &[]).is_err());
    assert!(!distance(&[1e-20, 0.0], &[0.0, 0.0]).unwrap().passes());
}

fn expect(values: Values, words: usize) -> Expect {
    Expect { buffer: Buffer::holding("out", &vec![POISON; words + CANARIES]), values }
}

#[test]
fn what_was_never_written_is_red() {
    let expect = expect(Values::F32(vec![1.0, 2.0]), 2);
    let mut words = vec![POISON; 2 + CANARIES];
    words[0] = 1f32.to_bits();
    assert!(check::compare(&words, &expect).is_err());
    words[1] = 2f32.to_bits();
    assert!(check::compare(&words, &expect).unwrap().passes());
}

#[test]
fn a_write_past_the_end_is_red() {
    let expect = expect(Values::U32(vec![5]), 1);
    let mut words = vec![POISON; 1 + CANARIES];
    words[0] = 5;
    assert!(check::compare(&words, &expect).unwrap().passes());
    words[1 + CANARIES / 2] = 0;
    assert!(check::compare(&words, &expect).is_err());
}

#[test]
fn what_a_kernel_leaves_alone_is_compared_to_the_bit() {
    let mut expect = expect(Values::F32(vec![1.0, KEPT]), 2);
    let mut words = vec![POISON; 2 + CANARIES];
    words[0] = 1f32.to_bits();
    assert!(check::compare(&words, &expect).unwrap().passes());
    words[1] = f32::NAN.to_bits();
    assert!(check::compare(&words, &expect).is_err());
    words[1] = POISON;
    expect.buffer = Buffer::holding("out", &[POISON; 6]);
    assert_eq!(check::compare(&words, &expect).unwrap_err(), "has no canaries");
}

/// Every case there is: `(kernel, case)`.
fn cases() -> Vec<(&'static str, Case)> {
    let of = |tuning: &Tuning| -> Vec<(&'static str, Case)> {
        KERNELS.iter().flat_map(|k| (k.cases)(tuning).into_iter().map(|case| (k.stem, case))).collect()
    };
    VARIANTS.iter().flat_map(of).collect()
}

#[test]
fn no_case_is_without_poison_and_canaries() {
    let cases = cases();
    assert!(cases.len() > 50 * VARIANTS.len(), "{} cases", cases.len());
    for (stem, case) in cases {
        let name = format!("{stem}: {}", case.name);
        let given: Vec<Buffer> = case.expect.iter().map(|expect| expect.buffer.clone()).collect();
        let guarded = case.guarded().unwrap_or_else(|why| panic!("{name}: {why}"));
        for (binding, view) in guarded.recording.dispatches().flat_map(|dispatch| {
            let views = dispatch.resources.iter().filter_map(|resource| resource.view());
            dispatch.program.bindings.iter().filter(|b| b.access.texels().is_none()).zip(views)
        }) {
            let buffer = view.buffer();
            let (own, canaries) = buffer.contents().split_at(buffer.contents().len() - CANARIES);
            assert_eq!(canaries, [POISON; CANARIES], "{name}: `{}`", binding.name);
            assert!(!own.is_empty());
            if binding.access == Access::ReadWrite {
                let expected = guarded.expect.iter().position(|expect| expect.buffer.id() == buffer.id());
                let at =
                    expected.unwrap_or_else(|| panic!("{name}: nothing is expected of `{}`", binding.name));
                let declared = given[at].contents();
                assert!(own.iter().all(|&w| w == POISON) || own == declared, "{name}: `{}`", binding.name);
            }
        }
    }
}

#[test]
fn a_case_that_looks_away_is_none() {
    let case =
        || KERNELS.iter().find(|k| k.stem == "normal").map(|k| (k.cases)(&VARIANTS[0]).remove(0)).unwrap();
    assert!(case().guarded().is_ok());
    let mut blind = case();
    blind.expect.pop();
    let why = blind.guarded().err().expect("a reason");
    assert_eq!(why, "`normals` may be written, and nothing is expected of it");
    let idle = case().u32(&Buffer::words("elsewhere", 4), vec![0; 4]);
    assert_eq!(idle.guarded().err().expect("a reason"), "`elsewhere` is written by no kernel of the case");
}

/// A program that draws one number of each block too many, or too few.
#[test]
fn a_kernel_that_writes_too_much_or_too_little_is_red() {
    let engine = gpu::open("auto").unwrap_or_else(|e| panic!("{e}"));
    let tuning = Tuning::of(engine.adapter());
    let kernel = KERNELS.iter().find(|k| k.stem == "normal").unwrap();
    for (count, why) in [("1001", None), ("1002", Some("written past its end")), ("1000", Some("is off"))] {
        let mut case = (kernel.cases)(&tuning).remove(0);
        let Command::Dispatch(dispatch) = &mut case.recording.commands[0] else { panic!("a launch") };
        let own = "const COUNT: u32 = 1001u;";
        assert!(dispatch.program.wgsl.contains(own));
        dispatch.program = Program::new(ProgramDesc {
            kernel: dispatch.program.kernel,
            entry: dispatch.program.entry,
            wgsl: dispatch.program.wgsl.replace(own, &own.replace("1001", count)),
            bindings: dispatch.program.bindings.clone(),
            workgroup: dispatch.program.workgroup,
            shared_bytes: dispatch.program.shared_bytes,
            loops: dispatch.program.loops,
        });
        let row = check::run(kernel.stem, case, &engine).unwrap();
        match why {
            None => assert!(row.passes(), "{row:?}"),
            Some("is off") => assert!(!row.passes(), "{row:?}"),
            Some(why) => assert!(row.failure.contains(why), "{row:?}"),
        }
    }
}

#[test]
fn integers_are_compared_to_the_bit() {
    let expect = expect(Values::U32(vec![5, 6]), 2);
    let mut words = vec![POISON; 2 + CANARIES];
    (words[0], words[1]) = (5, 7);
    assert!(check::compare(&words, &expect).is_err());
}

/// llvmpipe ends an invocation's loops after 65,535 rounds, silently; a batch that would need more is spread wider.
#[test]
fn many_prompts_with_long_loops_are_all_evaluated() {
    use floe::kernels::prompt::{Source, prompt_eval::Eval};
    use floe::prompt::law::{Law, Tables};
    use floe::prompt::shape::{Models, Shape};
    let engine = gpu::open("auto").unwrap_or_else(|e| panic!("{e}"));
    let tuning = Tuning::of(engine.adapter());
    // With zero weights the error is y², and y is 1 in every row: each prompt adds exactly 1 at each shot count.
    let (dim, rows) = (1, 60);
    let table = Tables {
        key: 1,
        dim,
        rows: std::sync::Arc::new([0.5, 1.0].repeat(rows)),
        groups: vec![[0, rows as u32]],
        replacement: false,
    };
    let source = Source::new(&Law::Tables(table));
    let shape = Shape { layers: 1, heads: 1, dim };
    let eval = Eval { source: &source, shape, shots: 30, batch: 20_000, models: Models::ONE };
    let lanes = eval.lanes(&tuning);
    let weights = Buffer::words("weights", shape.weights());
    let sums = Buffer::words("sums", eval.words(lanes));
    engine.submit(&eval.record(&weights, &sums, lanes, &tuning), 1).unwrap();
    let words: Vec<f32> = engine.read(&sums).unwrap();
    for (shot, lanes) in words[..eval.words(lanes)].chunks(lanes).enumerate() {
        assert_eq!(lanes.iter().sum::<f32>(), eval.batch as f32, "row {shot}");
    }
}

#[test]
fn loops_longer_than_the_adapter_makes_are_refused_and_others_run_to_their_end() {
    use floe::kernels::shared::roof;
    let mut engine = gpu::open("auto").unwrap_or_else(|e| panic!("{e}"));
    let tuning = Tuning::of(engine.adapter());
    let source = Buffer::holding("source", &[0.0f32, 1.0, 1.0, 0.0].repeat(64));
    // x <- x + 1 on twelve values that start as 1 ... 12, eight times a round.
    let run = |engine: &floe::gpu::Engine, rounds: usize| {
        let target = Buffer::words("target_", 256);
        let refused = engine.submit(&roof::record_fma(8, rounds, &source, &target, &tuning), 1);
        refused.map(|()| engine.read::<f32>(&target).unwrap()[0])
    };
    let sum = |rounds: usize| (78 + 12 * 8 * rounds) as f32;
    let long = 100_000;
    let limit = engine.adapter().loops;
    match run(&engine, long) {
        Ok(found) => assert!(limit >= long as u64 && found == sum(long), "{limit}: {found}"),
        Err(e) => {
            let message = e.to_string();
            assert!(limit < long as u64, "{message}");
            assert!(message.contains("`roof` needs loop iterations"), "{message}");
            assert!(message.contains(&limit.to_string()), "{message}");
        }
    }
    // Every adapter, made out to end loops early.
    engine.assume_loops(1000);
    assert_eq!(run(&engine, 1000).unwrap(), sum(1000));
    let message = run(&engine, 1001).unwrap_err().to_string();
    assert!(message.contains("`roof` needs loop iterations") && message.contains("1000"), "{message}");
    assert_eq!(Tuning::of(engine.adapter()).loops, 1000, "and work is split so that it fits");
}

/// Text that is not floe's own runs with its indexes checked, whoever made the buffers.
#[test]
fn a_callers_kernel_cannot_reach_beyond_its_buffers_and_arrays() {
    use floe::gpu::{Access, Binding, Program, ProgramDesc, Recording};
    let engine = gpu::open("auto").unwrap_or_else(|e| panic!("{e}"));
    let wgsl = "
        @group(0) @binding(0) var<storage, read> where_: array<u32>;
        @group(0) @binding(1) var<storage, read_write> out: array<u32>;
        var<private> before: array<u32, 64>;
        var<private> few: array<u32, 4>;
        var<private> behind: array<u32, 64>;
        @compute @workgroup_size(1)
        fn reach() {
          for (var i = 0u; i < 64u; i++) { before[i] = 99u; behind[i] = 99u; }
          for (var i = 0u; i < 4u; i++) { few[i] = 1u + i; }
          for (var i = 0u; i < 8u; i++) {
            out[i] = few[where_[i]];
            few[where_[i]] = 3u;
            out[where_[i] * 1000u] = 77u;
          }
          for (var i = 0u; i < 64u; i++) { out[8] += u32(before[i] != 99u) + u32(behind[i] != 99u); }
        }";
    let binding = |index, name, access| Binding::new(index, name, access);
    let program = Program::new(ProgramDesc {
        kernel: "reach",
        entry: "reach",
        wgsl: wgsl.into(),
        bindings: vec![binding(0, "where_", Access::Read), binding(1, "out", Access::ReadWrite)],
        workgroup: 1,
        shared_bytes: 0,
        loops: 0,
    });
    let places: Vec<u32> = vec![4, 5, 64, 68, 100, 1000, 1 << 20, (1 << 22) - 1];
    let canaries = || Buffer::holding("canaries", &[POISON; 64]);
    let (front, out, back) = (canaries(), Buffer::words("out", 12), canaries());
    // Allocated one after another.
    engine.write(&front, front.contents()).unwrap();
    engine.write(&out, &[0u32; 12]).unwrap();
    engine.write(&back, back.contents()).unwrap();
    let mut recording = Recording::default();
    recording.dispatch(program, vec![Buffer::holding("where_", &places), out.clone()], [1, 1]);
    assert!(recording.dispatches().all(|d| !d.is_own()));
    engine.submit(&recording, 1).unwrap();
    let words: Vec<u32> = engine.read(&out).unwrap();
    // What is read is one of the array's own elements; the last word may be what a write beyond was turned to.
    assert!(words[..8].iter().all(|w| (1..=4).contains(w)), "{words:?}");
    assert_eq!(words[8], 0, "{words:?}");
    for canary in [front, back] {
        assert!(engine.read::<u32>(&canary).unwrap().iter().all(|&w| w == POISON));
    }
}

#[test]
fn a_kernel_of_floes_own_that_was_altered_is_checked() {
    let tuning = VARIANTS[0];
    let kernel = KERNELS.iter().find(|k| k.stem == "grad_reduce").unwrap();
    let dispatch = || (kernel.cases)(&tuning).swap_remove(0).recording.dispatches().next().unwrap().clone();
    assert!(dispatch().is_own());
    let mut altered = [dispatch(), dispatch(), dispatch()];
    altered[0].groups[0] += 1;
    altered[1].resources[0] = Buffer::words("small", 1).into();
    let mut again = floe::gpu::Recording::default();
    let own = &altered[2];
    again.dispatch(own.program.clone(), own.resources.clone(), own.groups);
    assert!(altered[..2].iter().chain(again.dispatches()).all(|d| !d.is_own()));
}
