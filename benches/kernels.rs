//! `cargo bench`: kernels, whole steps and evaluations as `floe bench` has them (its pairs aside), sampled by divan.
//!
//! An iteration is one submission of many launches, so that a row's time is about 20 ms whatever it is of; `item/s`
//! counts launches. `cargo bench -- step` takes what has `step` in its name. A kernel whose parity is red ends the run.
//! `FLOE_DEVICE` chooses the device as `--device` does; the variant is what `floe tune` chose, or the default.

use divan::Bencher;
use divan::counter::ItemsCount;
use floe::bench::{Parity, work};
use floe::error::Result;
use floe::gpu::{self, Engine};
use floe::kernels::Tuning;
use floe::tune;
use std::cell::RefCell;

/// The device, with what its variant has been found green of. An engine stays on its thread.
struct Bench {
    engine: &'static Engine,
    tuning: &'static Tuning,
    parity: RefCell<Parity<'static>>,
}

thread_local! {
    static BENCH: Bench = or_exit(Bench::open());
}

impl Bench {
    fn open() -> Result<Self> {
        let device = std::env::var("FLOE_DEVICE").unwrap_or_else(|_| "auto".into());
        let engine: &Engine = Box::leak(Box::new(gpu::open(&device)?));
        let tuning: &Tuning = Box::leak(Box::new(
            tune::chosen(engine.adapter()).unwrap_or_else(|| Tuning::of(engine.adapter())),
        ));
        println!(
            "{}, `{}`; a row is a submission of many launches, item/s are launches",
            engine.adapter().name,
            tuning.name
        );
        Ok(Bench { engine, tuning, parity: RefCell::new(Parity::new(engine, tuning)) })
    }

    fn time(&self, bencher: Bencher, name: &str) -> Result<()> {
        let mut all = work::all(self.tuning)?;
        let work = all.remove(all.iter().position(|work| work.name == name).expect("a name of the list"));
        work.stems.iter().try_for_each(|stem| self.parity.borrow_mut().verify(stem))?;
        let launches = work.launches(self.engine)?;
        bencher.counter(ItemsCount::new(launches)).bench_local(|| or_exit(work.time(self.engine, launches)));
        Ok(())
    }
}

fn names() -> Vec<String> {
    BENCH.with(|bench| or_exit(work::all(bench.tuning)).into_iter().map(|work| work.name).collect())
}

#[divan::bench(args = names(), sample_count = 15, sample_size = 1)]
fn floe(bencher: Bencher, name: &str) {
    BENCH.with(|bench| or_exit(bench.time(bencher, name)));
}

/// One clear line rather than a panic.
fn or_exit<T>(result: Result<T>) -> T {
    result.unwrap_or_else(|error| {
        eprintln!("floe: {error}");
        std::process::exit(error.exit_code().into())
    })
}

fn main() {
    divan::main();
}
