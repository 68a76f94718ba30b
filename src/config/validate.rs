//! What the types cannot say: numbers in range, names that are distinct and usable as file names, sizes that fit.

pub(super) mod range;
mod task;

use super::{Config, Loss, Method, Optimizer, QueryKey, Schedule, Task};
use crate::error::{Error, Result};
pub(super) use range::Fault;
use range::{Check, count, decay, fail, fits, not_negative, positive};

/// Most layers or heads, and parameters. A kernel keeps a model in registers, or near them; no device has room for as
/// many, and this much is little memory for what is made ready before a device is asked.
const MOST_BLOCKS: u64 = 1024;
const MOST_PARAMETERS: u64 = 1 << 22;

/// Most methods.
pub(super) const MOST_METHODS: usize = 1000;

/// Most demonstrations of an evaluation: errors at each count are sums of every invocation's own.
const MOST_SHOTS: usize = 1 << 16;

impl Config {
    /// Every value is one that an experiment can have.
    ///
    /// # Errors
    /// [`Error::Config`] with `origin` that names the first key that is off and what it may be.
    pub fn validate(&self, origin: &str) -> Result<()> {
        self.fault().map_or(Ok(()), |fault| Err(Error::config(origin, fault)))
    }

    /// The first value that is off.
    pub(super) fn fault(&self) -> Option<Fault> {
        self.old_fault().or_else(|| self.check_reserved().err())
    }

    /// The first value that is off in a configuration that something was made by: files were named by it then.
    pub(super) fn old_fault(&self) -> Option<Fault> {
        self.check().err()
    }

    fn check_reserved(&self) -> Check {
        let mut numbered = self.methods.iter().enumerate();
        numbered.try_for_each(|(i, method)| check_reserved(&format!("methods.#{}.name", i + 1), &method.name))
    }

    fn check(&self) -> Check {
        if self.seed > i64::MAX as u64 {
            return fail("seed", format!("is {}; at most {} (2^63 − 1)", self.seed, i64::MAX));
        }
        let width = match &self.task {
            Task::Regression(task) => task.check().map(|()| task.dim as u64 + 2)?,
            // One covariate at least; the table itself is measured when it is read.
            Task::Tables(task) => task.check().map(|()| 3)?,
            Task::Own(task) => task.check().map(|()| task.dim as u64 + 2)?,
        };
        self.check_model(width)?;
        for (phase, steps, batch, shots, optimizer) in [
            (
                "pretrain",
                self.pretrain.steps,
                self.pretrain.batch,
                self.pretrain.shots,
                &self.pretrain.optimizer,
            ),
            (
                "finetune",
                self.finetune.steps,
                self.finetune.batch,
                self.finetune.shots,
                &self.finetune.optimizer,
            ),
        ] {
            count(&format!("{phase}.steps"), steps)?;
            count(&format!("{phase}.batch"), batch as u64)?;
            count(&format!("{phase}.shots"), shots as u64)?;
            let what = format!("{batch} prompts of {shots} + 1 tokens of {width} numbers");
            fits(&format!("{phase}.batch"), &what, &[batch as u64, shots as u64 + 1, width])?;
            optimizer.check(&format!("{phase}.optimizer"))?;
            warms_up(&format!("{phase}.optimizer.warmup"), optimizer, steps)?;
        }
        count("eval.prompts", self.eval.prompts as u64)?;
        count("eval.seeds", self.eval.seeds as u64)?;
        if self.eval.shots > MOST_SHOTS {
            return fail("eval.shots", format!("is {}; at most {MOST_SHOTS}", self.eval.shots));
        }
        let (prompts, shots) = (self.eval.prompts as u64, self.eval.shots as u64);
        let what = format!("{prompts} prompts of {shots} + 1 tokens of {width} numbers");
        fits("eval.prompts", &what, &[prompts, shots + 1, width])?;
        count("record.every", self.record.every)?;
        count("record.checkpoint_every", self.record.checkpoint_every)?;
        self.check_methods()
    }

    /// Parameters of all the models that it trains, of tokens of `width`: pre-trained and by each method.
    pub fn parameters(&self, width: usize) -> u128 {
        let matrices = if self.model.qk == QueryKey::Merged { 2 } else { 3 };
        let (layers, heads, width) = (self.model.layers as u128, self.model.heads as u128, width as u128);
        (1 + self.methods.len() as u128) * layers * heads * matrices * width * width
    }

    /// [`Config::validate`] of what depends on the width of tokens, which a table alone may tell.
    ///
    /// # Errors
    /// As there.
    pub fn validate_width(&self, origin: &str, width: usize) -> Result<()> {
        self.check_model(width as u64).map_err(|fault| Error::config(origin, fault))
    }

    fn check_model(&self, width: u64) -> Check {
        count("model.layers", self.model.layers as u64)?;
        count("model.heads", self.model.heads as u64)?;
        positive("model.init_std", self.model.init_std)?;
        let matrices = match self.model.qk {
            QueryKey::Merged => 2,
            QueryKey::Separate => 3,
        };
        let (layers, heads) = (self.model.layers as u64, self.model.heads as u64);
        let what = format!("{layers} layers of {heads} heads with {matrices} matrices of {width} × {width}");
        for (path, value) in [("model.layers", layers), ("model.heads", heads)] {
            if value > MOST_BLOCKS {
                return fail(
                    path,
                    format!("is {value}; at most {MOST_BLOCKS}, since kernels are written out for each"),
                );
            }
        }
        let total = [layers, heads, matrices, width, width].iter().try_fold(1u64, |n, f| n.checked_mul(*f));
        match total.is_some_and(|total| total <= MOST_PARAMETERS) {
            true => Ok(()),
            false => fail(
                "model.layers",
                format!("is too large: {what} are more than {MOST_PARAMETERS} parameters"),
            ),
        }
    }

    fn check_methods(&self) -> Check {
        if self.methods.len() > MOST_METHODS {
            let count = self.methods.len();
            return fail("methods", format!("are {count}; at most {MOST_METHODS}: split the experiment"));
        }
        for (i, method) in self.methods.iter().enumerate() {
            // By number, since the name may be the very thing that is off.
            let place = format!("methods.#{}", i + 1);
            check_name(&format!("{place}.name"), &method.name)?;
            let earlier = self.methods[..i].iter().map(|other| other.name.as_str());
            check_distinct(&format!("{place}.name"), &method.name, earlier)?;
            let path = format!("methods.{}", method.name);
            method.check(&path)?;
            let steps = method.steps.unwrap_or(self.finetune.steps);
            match &method.optimizer {
                Some(own) => warms_up(&format!("{path}.optimizer.warmup"), own, steps)?,
                None => warms_up(&format!("{path}.steps"), &self.finetune.optimizer, steps)?,
            }
        }
        Ok(())
    }
}

pub(super) fn check_name(path: &str, name: &str) -> Check {
    let odd = |c: char| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'));
    let wrong = if name.is_empty() {
        "is empty; give the method a name".to_string()
    } else if let Some(c) = name.chars().find(|c| odd(*c)) {
        format!("is \"{name}\"; `{c}` cannot be in it, only letters, digits, `-`, `_` and `.`")
    } else if name.starts_with('.') {
        format!("is \"{name}\"; a name does not begin with a dot, since it names a file")
    } else if name.eq_ignore_ascii_case("pretrained") {
        format!("is \"{name}\", which is what the model before fine-tuning is called; choose another")
    } else if name.len() > 100 {
        format!("is {} characters long; at most 100, since it names a file", name.len())
    } else {
        return Ok(());
    };
    fail(path, wrong)
}

/// Names are file names, and not every file system tells `A` from `a`.
pub(super) fn check_distinct<'n>(
    path: &str,
    name: &str,
    mut earlier: impl Iterator<Item = &'n str>,
) -> Check {
    match earlier.find(|other| other.eq_ignore_ascii_case(name)) {
        None => Ok(()),
        Some(other) => {
            let message = format!("is \"{name}\", but an earlier method is called \"{other}\"");
            fail(path, format!("{message}; names differ, not only in case"))
        }
    }
}

/// A name of which files are to be made is no other file's, and a file's on every system.
pub(super) fn check_reserved(path: &str, name: &str) -> Check {
    let wrong = if name.starts_with('-') || name.ends_with('.') {
        "a name does not begin with a dash or end with a dot, since it names a file"
    } else if name.to_ascii_lowercase().ends_with(".state") {
        "a name does not end in `.state`, which is how training states are named; choose another"
    } else if is_device(name) {
        "Windows takes that for a device and not a file; choose another name"
    } else {
        return Ok(());
    };
    fail(path, format!("is \"{name}\"; {wrong}"))
}

/// Whether Windows takes a file of that name, whatever its ending, for a device.
fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().to_ascii_lowercase();
    let numbered = |kind: &str| {
        stem.strip_prefix(kind).is_some_and(|n| n.len() == 1 && n.as_bytes()[0].is_ascii_digit())
    };
    ["con", "prn", "aux", "nul"].contains(&stem.as_str()) || numbered("com") || numbered("lpt")
}

impl Optimizer {
    pub(super) fn check(&self, path: &str) -> Check {
        positive(&format!("{path}.lr"), self.lr)?;
        decay(&format!("{path}.momentum"), self.momentum)?;
        self.betas.iter().try_for_each(|beta| decay(&format!("{path}.betas"), *beta))?;
        positive(&format!("{path}.eps"), self.eps)?;
        not_negative(&format!("{path}.weight_decay"), self.weight_decay)?;
        not_negative(&format!("{path}.clip"), self.clip)
    }
}

impl Method {
    fn check(&self, path: &str) -> Check {
        if self.train.is_empty() {
            return fail(
                format!("{path}.train"),
                "is empty; name what is trained, [\"*\"] for everything".into(),
            );
        }
        not_negative(&format!("{path}.weight"), self.weight)?;
        if self.loss != Loss::ZsFs {
            let reason = "has no effect but with loss \"zs+fs\"; leave it out or change the loss";
            if self.schedule != Schedule::Constant {
                return fail(format!("{path}.schedule"), reason.into());
            }
            if self.weight != 1.0 {
                return fail(format!("{path}.weight"), reason.into());
            }
        }
        if let Some(steps) = self.steps {
            count(&format!("{path}.steps"), steps)?;
        }
        if let Some(lr) = self.lr {
            positive(&format!("{path}.lr"), lr)?;
            if self.optimizer.is_some() {
                return fail(
                    format!("{path}.lr"),
                    "clashes with the method's own optimizer; set its lr".into(),
                );
            }
        }
        self.optimizer.as_ref().map_or(Ok(()), |o| o.check(&format!("{path}.optimizer")))
    }
}

/// The learning rate is up before the phase is over.
pub(super) fn warms_up(path: &str, optimizer: &Optimizer, steps: u64) -> Check {
    match optimizer.warmup {
        0 => Ok(()),
        warmup if warmup < steps => Ok(()),
        warmup => fail(
            path,
            format!("leaves no step after the warm-up: {warmup} of {steps} steps; warm up for fewer"),
        ),
    }
}
