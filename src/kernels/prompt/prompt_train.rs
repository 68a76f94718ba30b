//! `prompt_train`: whole training steps, many a launch, of models so small that launches would be most of their time.

mod cases;

pub(in crate::kernels) use cases::{benches, cases};

use super::prompt_step::{self, Step, consts, subgroup_consts};
use super::rounds;
use super::source::{self, Source};
use super::{DESCENT, LINEAR_ATTENTION, SUBGROUP, UNROLL, program};
use crate::gpu::{Binding, Buffer, Program, Recording};
use crate::kernels::shared::masked_update::{self, Buffers, NONE, Update, rule_consts};
use crate::kernels::shared::{OPTIMIZER, RANDOM};
use crate::kernels::{Entry, Tuning, read, uniform, write};
use crate::optim::{Optimizer, Rule};
use crate::prompt::Loss;
use crate::prompt::law::Law;
use crate::prompt::shape::{GradLayout, Models, Shape};

/// Most steps a launch: enough that launches are a few per cent, few enough that Ctrl-C is heard.
const MOST: usize = 64;

/// Seconds of a processor that a launch with its barrier takes, of which this kernel saves two a step.
const LAUNCH: f64 = 28e-6;

/// Steps that one launch makes; none where the device's class, the model or the amount of work asks for a launch or
/// more a step instead, or `total` steps are too few to repay its longer compilation. That depends on what is to be
/// trained in all, never on what is left: the two forms give different last bits, and a resumed run goes on in its own.
pub fn steps(law: &Law, step: &Step, update: &Update, tuning: &Tuning, total: u64) -> Option<usize> {
    let shape = step.layout.shape;
    // All loops over weights have to be written out, since an invocation's share lies in registers.
    let fits = tuning.subgroup > 1 && step.models.group == 1 && shape.weights() <= UNROLL;
    if !fits || prompt_step::group_operations(law, step, tuning) > tuning.resident {
        return None;
    }
    let source = Source::new(law);
    let (each, around) = rounds(&source, step, tuning);
    let steps = (tuning.loops / (each + around).max(1)).min(MOST as u64) as usize;
    let one = assemble(&source, step, update, 1, Vec::new(), tuning);
    let repays = total as f64 * 2.0 * LAUNCH >= one.wgsl.len() as f64 * tuning.compile;
    (steps > 0 && repays).then_some(steps)
}

/// At most `steps` steps of every model, and none at or beyond the step that `until` holds. The update's buffers are
/// those of `masked_update`; `slots` are [places, weights stride]: each parameter's place among the trained, or
/// [`NONE`].
pub fn record(
    source: &Source,
    (step, update, steps): (&Step, &Update, usize),
    b: &Buffers,
    (slots, until): (&Buffer, &Buffer),
    tuning: &Tuning,
) -> Recording {
    let own = [
        uniform(1, "hyper"),
        read(2, "schedule"),
        read(3, "slots"),
        write(4, "params"),
        write(5, "moments"),
        write(6, "state"),
        write(7, "metrics"),
        read(8, "until"),
    ];
    let handles = [&b.hyper, &b.schedule, slots, &b.params, &b.moments, &b.state, &b.metrics, until];
    let (bindings, handles) = source.bind(&own, &handles);
    let program = assemble(source, step, update, steps, bindings, tuning);
    let mut recording = Recording::default();
    source.launch(&mut recording, program, handles, [step.models.groups() as u32, 1]);
    recording
}

/// Rounds of an invocation's loops in a step, and around all of them.
fn rounds(source: &Source, step: &Step, tuning: &Tuning) -> (u64, u64) {
    let (prompt, sums) = (prompt_step::prompt(source, step, tuning), prompt_step::sums(tuning));
    rounds::prompt_train(&prompt, &step.layout, &sums, step.batch.div_ceil(tuning.subgroup))
}

fn assemble(
    source: &Source,
    step: &Step,
    update: &Update,
    steps: usize,
    bindings: Vec<Binding>,
    tuning: &Tuning,
) -> Program {
    let (demonstrations, consts) = consts(source, step, tuning);
    let consts = rule_consts(subgroup_consts(consts, tuning), update.rule)
        .u32("STEPS", steps)
        .u32("TRAINED", update.trained)
        .u32("RING", update.ring);
    let own = include_str!("../../../shaders/prompt/prompt_train.wgsl");
    let (each, around) = rounds(source, step, tuning);
    let entry = Entry {
        kernel: "prompt_train",
        name: "prompt_train",
        workgroup: tuning.subgroup,
        shared_bytes: 0,
        loops: steps as u64 * each + around,
    };
    let parts = [RANDOM, source.wgsl(), demonstrations, LINEAR_ATTENTION, DESCENT, SUBGROUP, OPTIMIZER, own];
    program(entry, &parts, consts, bindings)
}
