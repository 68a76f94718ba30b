//! floe: a GPU training engine for studying which attention parameters fine-tuning should touch.
//!
//! It pre-trains small linear transformers, fine-tunes chosen elements of them, and measures what that gains without
//! demonstrations and loses with them. All arithmetic runs as compute shaders through Vulkan, Metal or DirectX 12, on
//! whatever adapter there is, a software one among them. The program `floe` is this library behind a command line.
//!
//! # An experiment
//!
//! An [`Experiment`] is a configuration made ready: data read, names resolved. A [`Machine`] is a device, with how kernels
//! split their work on it. A model is its parameters: a `Vec<f32>` that [`ParamTable`] gives names to.
//!
//! ```
//! use floe::{Experiment, Machine, config, gpu};
//!
//! # fn main() -> floe::Result<()> {
//! let config = config::resolve_text(
//!     "example",
//!     r#"
//!     task = { kind = "regression", dim = 2 }
//!     pretrain = { steps = 200, batch = 200, shots = 8 }
//!     finetune = { steps = 200, batch = 200, shots = 8 }
//!     eval = { prompts = 1000, seeds = 1, shots = 8 }
//!
//!     [[methods]]
//!     name = "value-row"
//!     loss = "zs"                 # the zero-shot loss
//!     train = ["*.v[row=-1]"]     # trains the last row of the value matrix, and nothing else
//!     "#,
//!     &[],
//! )?;
//! let experiment = Experiment::open(config)?;
//! let engine = gpu::open("auto")?;
//! let machine = Machine::of(&engine);
//!
//! let pretrained = experiment.train("pretrained", experiment.init(), machine)?;
//! let tuned = experiment.train("value-row", pretrained.clone(), machine)?;
//!
//! let models = [("pretrained".to_string(), pretrained), ("value-row".to_string(), tuned)];
//! for row in experiment.evaluator(machine).models(&models)? {
//!     println!("{} on {}, {} shots: {:.3}", row.model, row.task, row.shots, row.mean);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! `examples/` has more: a method's trade-off, a task of one's own ([`OwnLaw`], [`Problem::new`]), checkpoints, a kernel
//! of one's own through parity. Runs that leave a directory, resume and report are [`job::run`] and [`job::sweep`].
//!
//! # What is where
//!
//! | modules | |
//! | --- | --- |
//! | [`config`] | the experiment: files and texts to a validated [`Config`], sweeps |
//! | [`tasks`], [`prompt`] | where prompts come from: problems, the laws they are made of, one's own among them |
//! | [`params`] | names and places of parameters; masks: patterns resolved to the elements that are trained |
//! | [`models`], [`optim`] | a family's training step as a recording of kernels; update rules and schedules |
//! | [`train`], [`job`] | the training loop and its states; whole experiments, runs and sweeps |
//! | [`eval`], [`theory`] | test errors at every shot count; exact risks, optima and floors in closed form |
//! | [`pretrained`] | published models: Hugging Face directories and GGUF files, their tokenizers and chat templates |
//! | [`store`], [`fingerprint`] | checkpoints, run directories, a struct for each record in them; what a result was made from |
//! | [`gpu`] | devices, buffers, recordings, and the engine that runs them: all that knows of wgpu |
//! | [`kernels`], [`mod@reference`] | host sides of the shaders with their parity cases; the same again in f64 |
//! | [`compiler`] | what a Vulkan driver's compiler makes of a program, for cards that are there or not |
//! | [`check`], [`compare`] | parity on a device, and the one comparator |
//! | [`random`] | numbers that are functions of a counter, the same on devices and the host |
//! | [`mod@bench`], [`tune`], [`profile`], [`probe`] | timing, the choice of a variant, where time goes, batches for other programs |
//! | [`report`] | pages from the files of a run |
//! | [`cli`] | the program |
//! | [`interrupt`], [`bounded`], [`rows`], [`lock`] | asking long work to stop; reading hostile files; CSV of typed rows; one writer a place |
//! | [`escape`], [`error`] | showing hostile words; errors |
//!
//! # Errors
//!
//! Every function that can fail gives an [`Error`]: [`Error::kind`] says of what kind, fields say what a caller may act
//! on (the limit and the two numbers, the step and its learning rate), and its text is one line.
//!
//! # Promises
//!
//! - What a mask leaves out keeps its bits: no gradient, no moments, no decay.
//! - The same adapter, driver, variant ([`Tuning`]) and seed give the same bits.
//! - Kernels are compared with references in f64 on the device at hand ([`check`]); a text that is not floe's own runs
//!   with all checks of the driver on.

#![warn(missing_docs)]

pub mod bench;
pub mod bounded;
pub mod check;
pub mod cli;
pub mod compare;
#[cfg(not(target_vendor = "apple"))]
pub mod compiler;
#[cfg(target_vendor = "apple")]
#[path = "compiler/none.rs"]
pub mod compiler;
pub mod config;
mod document;
pub mod error;
pub mod escape;
pub mod eval;
mod findings;
pub mod finetune;
pub mod fingerprint;
pub mod gpu;
pub mod interrupt;
pub mod job;
pub mod kernels;
mod linalg;
pub mod linear_attention;
pub mod lock;
pub mod models;
pub mod optim;
pub mod params;
mod plot;
pub mod pretrained;
pub mod probe;
pub mod profile;
pub mod prompt;
pub mod random;
pub mod reference;
pub mod report;
pub mod rows;
pub mod store;
pub mod tasks;
pub mod text;
pub mod tfevents;
pub mod theory;
pub mod train;
pub mod tune;
pub mod units;

pub use config::Config;
pub use error::{Error, Kind, Result};
pub use eval::Evaluator;
pub use gpu::Engine;
pub use job::{Experiment, Machine};
pub use kernels::{KERNELS, Tuning};
pub use params::{ParamTable, Spans};
pub use prompt::law::Law;
pub use prompt::own::OwnLaw;
pub use store::checkpoint::Checkpoint;
pub use store::scores::Row;
pub use tasks::Problem;
