//! Progress of training: a bar on a terminal, log lines elsewhere.

use crate::escape;
use crate::store::metrics::Line;
use crate::train::Progress;
use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// Without a terminal, a line at most so often.
const QUIET: Duration = Duration::from_secs(10);

/// Shows how far each phase is, its rate, its loss and the time left.
pub struct Show {
    terminal: bool,
    /// How fast, where those that train say it themselves.
    speed: Option<String>,
    phase: Option<Phase>,
}

struct Phase {
    method: String,
    bar: ProgressBar,
    began: Instant,
    from: u64,
    said: Instant,
}

impl Show {
    pub fn new() -> Self {
        Show { terminal: std::io::stderr().is_terminal(), speed: None, phase: None }
    }

    fn begin(&mut self, done: u64, steps: u64, line: &Line) -> &mut Phase {
        if self.phase.as_ref().is_none_or(|p| p.method != line.method) {
            let bar = if self.terminal { ProgressBar::new(steps) } else { ProgressBar::hidden() };
            let style = "{prefix:<12} {wide_bar:.cyan/238} {pos:>6}/{len}  {msg}  {eta:>4} left";
            if let Ok(style) = ProgressStyle::with_template(style) {
                bar.set_style(style);
            }
            bar.set_prefix(escape::line(&line.method).into_owned());
            bar.reset_eta();
            let now = Instant::now();
            self.phase = Some(Phase { method: line.method.clone(), bar, began: now, from: done, said: now });
        }
        self.phase.as_mut().expect("just set")
    }
}

impl Progress for Show {
    fn step(&mut self, done: u64, steps: u64, line: &Line) {
        let (terminal, speed) = (self.terminal, self.speed.take());
        let phase = self.begin(done, steps, line);
        let rate = (done - phase.from) as f64 / phase.began.elapsed().as_secs_f64().max(1e-9);
        let losses = losses(line);
        let speed = speed.unwrap_or_else(|| format!("{rate:.0} a second"));
        if terminal {
            phase.bar.set_position(done);
            phase.bar.set_message(format!("{losses}  {speed}"));
        }
        if done == steps {
            phase.bar.finish_and_clear();
            log::info!("{:<12} {steps} steps, {speed}, {losses}", phase.method);
        } else if !terminal && phase.said.elapsed() > QUIET {
            phase.said = Instant::now();
            let left = (steps - done) as f64 / rate;
            log::info!("{:<12} {done}/{steps}, {speed}, {losses}, {left:.0} s left", phase.method);
        }
    }

    fn speed(&mut self, words: String) {
        self.speed = Some(words);
    }
}

/// The parts of a loss that has several, else the loss.
fn losses(line: &Line) -> String {
    let there = |(name, value): &(String, Option<f32>)| value.map(|value| (name.clone(), value));
    let parts: Vec<(String, f32)> = line.parts.0.iter().filter_map(there).collect();
    if parts.len() < 2 {
        return format!("loss {:.4}", line.loss);
    }
    let part = |(name, value): &(String, f32)| format!("{} {value:.4}", name.trim_end_matches("_loss"));
    parts.iter().map(part).collect::<Vec<_>>().join(" ")
}
