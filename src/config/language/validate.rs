//! Of an experiment on a language model.

use crate::config::validate::range::{Check, count, decay, fail, not_negative, positive, share};
use crate::config::validate::{Fault, MOST_METHODS, check_distinct, check_name, check_reserved, warms_up};
use crate::config::{Lora, ModelKind, TextConfig, TextMethod, TextTask};

/// Most tokens of a pass, and most examples of one: what is made ready before a device is asked is little memory.
const MOST_TOKENS: usize = 1 << 24;
/// Most of a decoder's sizes.
const MOST_SIZE: usize = 1 << 20;
/// Fewest tokens of a tokenizer.
const LEAST_TOKENS: usize = 257;
/// Most rank of an adapter.
const MOST_RANK: usize = 1024;

impl TextConfig {
    /// The first value that is off.
    pub(in crate::config) fn fault(&self) -> Option<Fault> {
        self.check().err()
    }

    fn check(&self) -> Check {
        if self.seed > i64::MAX as u64 {
            return fail("seed", format!("is {}; at most {} (2^63 − 1)", self.seed, i64::MAX));
        }
        self.check_model()?;
        if self.task.train.is_empty() && self.model.kind == ModelKind::Pretrained {
            return fail("task.train", "is empty; name files of text to fine-tune on".into());
        }
        self.task.check()?;
        let finetune = &self.finetune;
        count("finetune.steps", finetune.steps)?;
        count("finetune.batch", finetune.batch as u64)?;
        count("finetune.accumulate", finetune.accumulate as u64)?;
        let tokens = finetune.batch.checked_mul(self.task.context);
        if tokens.is_none_or(|tokens| tokens > MOST_TOKENS) {
            let (batch, context) = (finetune.batch, self.task.context);
            let message = format!("is {batch}, of {context} tokens each; a pass takes {MOST_TOKENS} at most");
            return fail("finetune.batch", message);
        }
        not_negative("finetune.memory_gb", finetune.memory_gb)?;
        finetune.optimizer.check("finetune.optimizer")?;
        warms_up("finetune.optimizer.warmup", &finetune.optimizer, finetune.steps)?;
        for (i, group) in finetune.groups.iter().enumerate() {
            let path = format!("finetune.groups.#{}", i + 1);
            if group.of.is_empty() {
                return fail(format!("{path}.of"), "is empty; name parameters by patterns".into());
            }
            if group.lr.is_none() && group.weight_decay.is_none() {
                return fail(path, "changes nothing; give it an lr or a weight_decay".into());
            }
            group.lr.map_or(Ok(()), |lr| not_negative(&format!("{path}.lr"), lr))?;
            let decay = group.weight_decay;
            decay.map_or(Ok(()), |decay| not_negative(&format!("{path}.weight_decay"), decay))?;
        }
        count("eval.every", self.eval.every)?;
        count("eval.rows", self.eval.rows as u64)?;
        count("record.every", self.record.every)?;
        count("record.checkpoint_every", self.record.checkpoint_every)?;
        self.check_methods()
    }

    fn check_model(&self) -> Check {
        let model = &self.model;
        let given = !model.from.as_os_str().is_empty();
        if model.kind == ModelKind::Pretrained {
            return match (given, model.size_given()) {
                (_, Some(key)) => {
                    let what = "is a size of a decoder that is trained from scratch; write model.kind = \"decoder\" too, or \
                                leave it out";
                    fail(format!("model.{key}"), what.into())
                }
                (false, None) => {
                    fail("model.from", "is not given; name a Hugging Face directory or a .gguf file".into())
                }
                (true, None) => Ok(()),
            };
        }
        if given {
            let what =
                "is given beside model.kind = \"decoder\", which begins from scratch; leave one of them out";
            return fail("model.from", what.into());
        }
        let sizes = model.sizes(&[]);
        for (key, size) in [
            ("hidden_size", sizes.width),
            ("num_hidden_layers", sizes.layers),
            ("num_attention_heads", sizes.heads[0]),
            ("num_key_value_heads", sizes.heads[1]),
            ("head_dim", sizes.head_dim),
            ("intermediate_size", sizes.mlp),
            ("max_position_embeddings", sizes.context),
        ] {
            if size == 0 || size > MOST_SIZE {
                return fail(format!("model.{key}"), format!("is {size}; 1 to {MOST_SIZE}"));
            }
        }
        if !(LEAST_TOKENS..=MOST_SIZE).contains(&sizes.vocabulary) {
            let what = format!(
                "is {}; {LEAST_TOKENS} (every byte, and the end of a text) to {MOST_SIZE}",
                sizes.vocabulary
            );
            return fail("model.vocab_size", what);
        }
        let own = ("model.mixer".to_string(), &model.mixer);
        let methods =
            self.methods.iter().map(|method| (format!("methods.{}.mixer", method.name), &method.mixer));
        for (path, names) in std::iter::once(own).chain(methods) {
            if names.len() > 1 && names.len() != sizes.layers {
                let what = format!(
                    "names {} mixers for {} layers; give one, or one a layer",
                    names.len(),
                    sizes.layers
                );
                return fail(path, what);
            }
        }
        Ok(())
    }

    fn check_methods(&self) -> Check {
        if self.methods.is_empty() {
            let what = "is empty; say what to train under [[methods]]: a name, and train = [\"*.v_proj.weight\"] or lora";
            return fail("methods", what.into());
        }
        if self.methods.len() > MOST_METHODS {
            return fail("methods", format!("are {}; at most {MOST_METHODS}", self.methods.len()));
        }
        for (i, method) in self.methods.iter().enumerate() {
            let place = format!("methods.#{}", i + 1);
            check_name(&format!("{place}.name"), &method.name)?;
            check_reserved(&format!("{place}.name"), &method.name)?;
            let earlier = self.methods[..i].iter().map(|other| other.name.as_str());
            check_distinct(&format!("{place}.name"), &method.name, earlier)?;
            let path = format!("methods.{}", method.name);
            method.check(&path)?;
            if !method.mixer.is_empty() && self.model.kind == ModelKind::Pretrained {
                let what = "is given, and the model is published; it is for model.kind = \"decoder\"";
                return fail(format!("{path}.mixer"), what.into());
            }
            if method.lora.is_some() && self.model.kind == ModelKind::Decoder {
                let what = "stands beside a model from scratch; adapters are for published models: give train = [\"*\"]";
                return fail(format!("{path}.lora"), what.into());
            }
            if let Some(steps) = method.steps {
                warms_up(&format!("{path}.steps"), &self.finetune.optimizer, steps)?;
            }
        }
        Ok(())
    }
}

impl TextTask {
    fn check(&self) -> Check {
        for (key, files) in [("task.train", &self.train), ("task.validation", &self.validation)] {
            if files.iter().any(|path| path.as_os_str().is_empty()) {
                return fail(key, "has an empty file name in it".into());
            }
        }
        share("task.holdout", self.holdout)?;
        if self.context < 2 {
            return fail(
                "task.context",
                format!("is {}; at least 2: a token is foretold by others", self.context),
            );
        }
        count("task.context", self.context as u64)?;
        let fields = [
            ("task.field", &self.field),
            ("task.prompt", &self.prompt),
            ("task.completion", &self.completion),
            ("task.messages", &self.messages),
        ];
        match fields.into_iter().find(|(_, name)| name.is_empty()) {
            Some((key, _)) => fail(key, "is empty; name a field of the JSON objects".into()),
            None => Ok(()),
        }
    }
}

impl TextMethod {
    fn check(&self, path: &str) -> Check {
        match (&self.lora, self.train.is_empty()) {
            (None, true) => {
                let what = "is empty; name what is trained, [\"*\"] for everything, or give a lora";
                return fail(format!("{path}.train"), what.into());
            }
            (Some(_), false) => {
                let what =
                    "stands beside a lora, which trains its own parameters alone; leave one of them out";
                return fail(format!("{path}.train"), what.into());
            }
            (Some(lora), true) => lora.check(&format!("{path}.lora"))?,
            (None, false) => {}
        }
        self.steps.map_or(Ok(()), |steps| count(&format!("{path}.steps"), steps))?;
        self.lr.map_or(Ok(()), |lr| positive(&format!("{path}.lr"), lr))
    }
}

impl Lora {
    fn check(&self, path: &str) -> Check {
        if self.rank == 0 || self.rank > MOST_RANK {
            return fail(format!("{path}.rank"), format!("is {}; 1 to {MOST_RANK}", self.rank));
        }
        positive(&format!("{path}.alpha"), self.alpha)?;
        decay(&format!("{path}.dropout"), self.dropout)?;
        match self.targets.iter().any(String::is_empty) || self.targets.is_empty() {
            true => {
                fail(format!("{path}.targets"), "names nothing; give projections, such as \"v_proj\"".into())
            }
            false => Ok(()),
        }
    }
}
