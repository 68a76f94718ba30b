//! Which closed form belongs to which model: by what the model is and what was trained, never by a method's name.

use super::{reference, risk, setting};
use crate::config::{Config, Loss, QueryKey, Rule, Schedule};
use crate::error::Result;
use crate::interrupt;
use crate::models::prompt::Plan;
use crate::params::ParamTable;
use crate::store::scores::Row;
use crate::tasks::Problem;
use crate::tasks::regression::Truth;
use crate::theory::{self, Head, Setting};

/// Rows `theory:<model>` of every model that has an optimum in closed form, then the best possible error. The first
/// plan is pre-training's.
pub(super) fn closed_forms(
    config: &Config,
    problem: &Problem,
    truth: &Truth,
    table: &ParamTable,
    plans: &[(String, Plan)],
) -> Result<Vec<Row>> {
    let (dim, shots) = (problem.dim, config.eval.shots);
    let setting = setting(truth, dim);
    let theory = Theory { config, dim, truth, setting: &setting, table };
    let optima = theory.optima(plans);
    let mut rows = Vec::new();
    for test in &problem.tests {
        for (name, head) in &optima {
            interrupt::check(|| "the closed forms".into())?;
            for (n, exact) in risk(truth, dim, head, test.name, shots).into_iter().enumerate() {
                rows.push(reference(&format!("theory:{name}"), test.name, n, exact, Some(0.0), Some(exact)));
            }
        }
    }
    let counts: Vec<usize> = (0..=shots).collect();
    for (n, (mean, stderr)) in theory::bayes(&setting, truth.theta, &counts)?.into_iter().enumerate() {
        rows.push(reference("bayes", "fresh", n, mean, Some(stderr), None));
    }
    Ok(rows)
}

struct Theory<'a> {
    config: &'a Config,
    dim: usize,
    truth: &'a Truth,
    setting: &'a Setting,
    table: &'a ParamTable,
}

/// How much of a group of elements a plan trains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Share {
    None,
    Some,
    All,
}

impl Theory<'_> {
    /// The optimum of each model that has one.
    fn optima<'p>(&self, plans: &'p [(String, Plan)]) -> Vec<(&'p str, Head)> {
        let Some(((first, pretraining), methods)) = plans.split_first() else { return Vec::new() };
        let Some(pretrained) = self.pretrained(pretraining) else { return Vec::new() };
        let tuned = methods.iter().filter_map(|(name, plan)| {
            let head = self.tuned(&pretrained, pretraining, plan)?;
            Some((name.as_str(), head))
        });
        let tuned: Vec<(&str, Head)> = tuned.collect();
        [(first.as_str(), pretrained)].into_iter().chain(tuned).collect()
    }

    /// Of pre-training: one layer, one head, everything trained, and nothing that pulls away from the optimum.
    fn pretrained(&self, plan: &Plan) -> Option<Head> {
        let model = &self.config.model;
        let whole = plan.train.len() == self.table.len();
        let one = model.layers == 1 && model.heads == 1;
        (one && whole && plan.loss == Loss::Fs && plan.optimizer.weight_decay == 0.0)
            .then(|| theory::pretrained(self.setting, self.truth.theta, plan.shots))
    }

    /// Of fine-tuning from the optimum of pre-training.
    fn tuned(&self, pretrained: &Head, pretraining: &Plan, plan: &Plan) -> Option<Head> {
        if plan.optimizer.weight_decay != 0.0 {
            return None;
        }
        let (setting, target) = (self.setting, &self.truth.target);
        let (x, y) = (self.value(plan, 1..self.dim + 1), self.value(plan, self.dim + 1..self.dim + 2));
        // A few-shot loss of no weight is none; one that fades leaves to the zero-shot loss what that decides.
        let few = plan.loss == Loss::ZsFs && plan.weight != 0.0;
        let fades = matches!(plan.schedule, Schedule::Linear | Schedule::Cosine | Schedule::Wsd);
        if plan.loss == Loss::Fs || x != Share::All || (few && !fades) {
            return None;
        }
        match self.query_key(plan) {
            Share::None if few && y == Share::All => {
                Some(theory::zsfs_value(setting, pretrained, target, plan.shots))
            }
            Share::None => Some(theory::zs_value(setting, pretrained, target)),
            // Which of its optima the zero-shot loss leads to is known for gradient flow on V and Q alone.
            Share::All if !few && self.config.model.qk == QueryKey::Merged => {
                let flow = |plan: &Plan| plan.optimizer.rule == Rule::Sgd;
                (flow(plan) && flow(pretraining)).then(|| theory::zs_all(setting, pretrained, target))
            }
            _ => None,
        }
    }

    /// How much is trained of some columns of the value's last row, the only one that reaches the prediction.
    fn value(&self, plan: &Plan, columns: std::ops::Range<usize>) -> Share {
        let width = self.dim + 2;
        let Some(v) = self.table.get("layers.0.attn.v") else { return Share::None };
        let row = v.offset + width * (width - 1);
        share(plan, columns.map(|column| row + column))
    }

    /// How much is trained of query and key. Of the merged matrix, all is what a zero-shot prompt, whose y is 0, meets:
    /// rows and columns without the last.
    fn query_key(&self, plan: &Plan) -> Share {
        let width = self.dim + 2;
        let matrices = self.table.params.iter().filter(|p| !p.name.ends_with(".v"));
        let elements: Vec<usize> = matrices.flat_map(|p| p.place()).collect();
        if share(plan, elements.iter().copied()) == Share::None {
            return Share::None;
        }
        let met = |element: &usize| {
            let at = (element - elements[0]) % (width * width);
            at / width < width - 1 && at % width < width - 1
        };
        match share(plan, elements.iter().copied().filter(met)) {
            Share::All => Share::All,
            _ => Share::Some,
        }
    }
}

fn share(plan: &Plan, elements: impl Iterator<Item = usize>) -> Share {
    let (mut all, mut none) = (true, true);
    elements.for_each(|element| if plan.train.contains(element) { none = false } else { all = false });
    match (all, none) {
        (_, true) => Share::None,
        (true, _) => Share::All,
        _ => Share::Some,
    }
}
