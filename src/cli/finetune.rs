//! `floe finetune`

use super::language::finetune as language;
use super::places::Places;
use super::print;
use super::progress::Show;
use super::source::{Borrowed, Device, state_beside};
use crate::config::{Loss, Method, Schedule};
use crate::error::{Error, Result};
use crate::job::family::{Family, announce, phase_info, phase_of};
use crate::job::run::extend;
use crate::job::{Experiment, Machine};
use crate::lock::Lock;
use crate::models::prompt::Plan;
use crate::store::atomic::{check_writable, remove_torn};
use crate::store::metrics::MetricsLog;
use crate::store::rundir::{Begun, Chosen};
use crate::train::finished::{self, Found};
use crate::train::state::{step_of, variant_of};
use crate::train::{Job, RING, State, Told, state};
use std::path::{Path, PathBuf};

/// Fine-tune a checkpoint by one method, or a language model on your text
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Checkpoint to start from; the experiment is the one it was made in, unless --config names another
    #[arg(
        long,
        value_name = "FILE.safetensors",
        required_unless_present = "model",
        conflicts_with = "model"
    )]
    from: Option<PathBuf>,
    #[command(flatten)]
    language: language::Args,
    /// A method of the experiment
    #[arg(long, required_unless_present_any = ["train", "model"])]
    method: Option<String>,
    /// Instead of a method: a pattern over parameters to train, such as `*.v` (repeat for several)
    #[arg(long, value_name = "PATTERN", conflicts_with = "method")]
    train: Vec<String>,
    /// With --train: the loss, `zs`, `fs` or `zs+fs` (few-shot weight falling linearly from 1 to 0)
    #[arg(long, default_value = "zs", value_parser = parse_loss, conflicts_with_all = ["method", "model"])]
    loss: Loss,
    #[command(flatten)]
    borrowed: Borrowed,
    /// Checkpoint to write; of a language model, a directory: the run, with the model in it
    #[arg(long, value_name = "FILE.safetensors|DIR")]
    out: PathBuf,
    #[command(flatten)]
    device: Device,
    #[command(flatten)]
    again: Again,
}

/// Whether training goes on with what is there.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct Again {
    /// Go on from the state that an interrupted command left beside the checkpoint
    #[arg(long)]
    pub resume: bool,
    /// Train the finished checkpoint --out for longer (--set finetune.steps=…, pretrain.steps=…), from its weights and
    /// moments, with its schedules drawn out
    #[arg(long)]
    pub extend: bool,
}

fn parse_loss(text: &str) -> std::result::Result<Loss, String> {
    match text {
        "zs" => Ok(Loss::Zs),
        "fs" => Ok(Loss::Fs),
        "zs+fs" => Ok(Loss::ZsFs),
        _ => Err("must be `zs`, `fs` or `zs+fs`".into()),
    }
}

pub fn run(args: Args) -> Result<()> {
    let Some(from) = &args.from else {
        let asked = language::Asked {
            train: &args.train,
            borrowed: &args.borrowed,
            out: &args.out,
            again: args.again,
        };
        return language::run(&args.language, &asked, &args.device);
    };
    let places = Places::default().read("--from", from).write("--out", &args.out);
    places.write("the training state beside --out", &state_beside(&args.out)?).check()?;
    let found = Found::read(from)?;
    let mut config = args.borrowed.config(&found)?;
    let name = match &args.method {
        Some(name) => name.clone(),
        None => {
            let name = "command-line".to_string();
            let schedule = if args.loss == Loss::ZsFs { Schedule::Linear } else { Schedule::Constant };
            let (loss, train) = (args.loss, args.train);
            config.methods = vec![Method {
                name: name.clone(),
                loss,
                train,
                schedule,
                weight: 1.0,
                steps: None,
                lr: None,
                optimizer: None,
            }];
            name
        }
    };
    let experiment = Experiment::open(config)?;
    let Some((name, plan)) = experiment.plans[1..].iter().find(|(n, _)| *n == name) else {
        let names: Vec<&str> = experiment.plans[1..].iter().map(|(n, _)| n.as_str()).collect();
        return Err(Error::Usage(format!("no method `{name}`; there are {}", names.join(", "))));
    };
    args.borrowed.check(&found, &experiment)?;
    let params = found.arena(&experiment.table)?;
    let places = Places::default().read("--from", from);
    train_to(&experiment, (name, plan), params, (&args.out, places), args.again, &args.device)
}

/// Trains one phase from `params` into the checkpoint `out`; `places` has what else the command reads.
pub fn train_to(
    experiment: &Experiment,
    (name, plan): (&str, &Plan),
    params: Vec<f32>,
    (out, places): (&Path, Places),
    again: Again,
    device: &Device,
) -> Result<()> {
    let state_path = state_beside(out)?;
    let places = places.read_data(&experiment.config).write("--out", out);
    places.write("the training state beside --out", &state_path).check()?;
    check_writable(out)?;
    let _lock = Lock::file(&state_path)?;
    clear(out, &state_path, again.resume)?;
    let identity = experiment.identity.from(&params);
    let job = Job {
        phase: phase_of(name),
        method: name,
        plan,
        state_path: Some(state_path.clone()),
        identity: &identity,
    };
    let state = match again {
        Again { resume: true, .. } => state::load(&state_path, &job, &experiment.table)?,
        Again { extend: true, .. } => extend::state(experiment, out, (name, plan), &identity)?,
        _ => State::fresh(params),
    };
    let begun = if again.resume { variant_of(&state_path)? } else { None };
    let begun = begun.map(|variant| Begun { variant, chosen: Chosen::Default });
    let (engine, tuning, _) = device.open_for(begun)?;
    let machine = Machine::new(&engine, tuning);
    experiment.check_step(&[plan], machine)?;
    announce(name, plan, &experiment.table);
    let step = experiment.stepper(&[(plan, state.start())], RING, machine);
    let told = Told { log: &mut MetricsLog::none(), progress: &mut Show::new() };
    let state = match experiment.trainer(machine).run(&step, &job, state, told) {
        Err(Error::Interrupted(at)) => {
            let mend = "the checkpoint is saved, go on with the same command and --resume";
            return Err(Error::Interrupted(format!("{at}; {mend}")));
        }
        other => other?,
    };
    let info = phase_info(name, plan, &state, &experiment.table);
    finished::save(out, &experiment.table, &state, &identity, &info)?;
    // The state is of no more use, and may never have been written.
    let _ = std::fs::remove_file(&state_path);
    print(&format!("{}\n", out.display()))
}

/// Sees that only floe's own files are replaced beside `out`, and removes what a killed process left half-written.
fn clear(out: &Path, state: &Path, resume: bool) -> Result<()> {
    if !resume && state.exists() {
        let message = "is in the way: a training state is kept there, and this is none of floe's; move it, or choose \
                       another --out";
        let step = step_of(state).map_err(|_| Error::file(state, message))?;
        log::warn!("{}: training starts again, and what was kept at step {step} is dropped", state.display());
    }
    let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let (out_name, state_name) = (name(out), name(state));
    let directory = state.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    remove_torn(directory, |name| name == out_name || name == state_name)
}
