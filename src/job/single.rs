//! One phase of an experiment, trained in memory.

use super::family::phase_of;
use super::{Experiment, Machine};
use crate::error::{Error, Result};
use crate::store::metrics::{Line, MetricsLog};
use crate::train::{Job, Progress, RING, State, Told};

/// Shows nothing.
struct Silent;

impl Progress for Silent {
    fn step(&mut self, _done: u64, _steps: u64, _line: &Line) {}
}

impl Experiment {
    /// Trains `pretrained`, or a method of the experiment, from parameters `start` to its end, and returns what they have
    /// become. Writes no file.
    ///
    /// # Errors
    /// [`Error::Usage`] for a name that the experiment has not; [`Error::Limit`] where the device is too small;
    /// [`Error::Diverged`] and [`Error::Overflow`]; device failures.
    pub fn train(&self, model: &str, start: Vec<f32>, machine: Machine) -> Result<Vec<f32>> {
        let Some((name, plan)) = self.plans.iter().find(|(name, _)| name == model) else {
            let names: Vec<&str> = self.plans.iter().map(|(name, _)| name.as_str()).collect();
            return Err(Error::Usage(format!("no model `{model}`; there are {}", names.join(", "))));
        };
        if start.len() != self.table.len() {
            let (given, own) = (start.len(), self.table.len());
            return Err(Error::Usage(format!(
                "{given} parameters to start `{name}` from; the model has {own}"
            )));
        }
        self.check_plans(&[plan], machine)?;
        let identity = self.identity.from(&start);
        let job = Job { phase: phase_of(name), method: name, plan, state_path: None, identity: &identity };
        let state = State::fresh(start);
        let step = self.stepper(&[(plan, state.start())], RING, machine);
        let told = Told { log: &mut MetricsLog::none(), progress: &mut Silent };
        Ok(self.trainer(machine).run(&step, &job, state, told)?.params)
    }
}
