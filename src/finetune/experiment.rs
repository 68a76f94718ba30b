//! An experiment made ready: model and text opened, what methods train resolved, nothing run.

use super::batches::capacity;
use super::fresh;
use crate::config::{Group, Lora, ModelKind, TextConfig, TextMethod};
use crate::error::{Error, Result};
use crate::fingerprint::Identity;
use crate::models::learn::Capacity;
use crate::models::lm::adapter::{Adapter, reached};
use crate::models::lm::table::table;
use crate::models::lm::{PROJECTIONS, Weights};
use crate::optim::Optimizer;
use crate::params::{ParamTable, Spans, mask};
use crate::pretrained::{Pretrained, Tokenizer};
use crate::store::methods::{DataFacts, ModelFacts, SideFacts};
use crate::text::{self, Language, Rows, Sequence, Texts};
use std::rc::Rc;

/// An experiment on a language model.
pub struct Experiment {
    /// What it was asked for.
    pub config: TextConfig,
    /// The model that is fine-tuned, or the first of those that begin from scratch.
    pub model: Rc<Pretrained>,
    /// Its own.
    pub tokenizer: Tokenizer,
    /// Sequences.
    pub texts: Texts,
    /// In order.
    pub methods: Vec<Method>,
    /// What its results say that they were made from.
    pub identity: Identity,
    fingerprint: String,
}

/// A way of fine-tuning, resolved.
pub struct Method {
    /// Names its files.
    pub name: String,
    /// What it begins from.
    pub model: Rc<Pretrained>,
    /// Optimizer steps.
    pub steps: u64,
    /// What is trained.
    pub trains: Trains,
    /// Of all trained parameters but those in groups; its schedule is that of all.
    pub optimizer: Optimizer,
}

/// What a method trains.
pub enum Trains {
    /// Elements of the model.
    Mask {
        /// The patterns that say which.
        patterns: Vec<String>,
        /// Disjoint, with the optimizer of each.
        groups: Vec<(Spans, Optimizer)>,
    },
    /// A low-rank adapter.
    Adapter {
        /// As it was asked for.
        lora: Lora,
        /// What it is.
        adapter: Adapter,
    },
}

impl Experiment {
    /// Opens model and texts and resolves every method, so that a mistake shows before any work is done.
    ///
    /// # Errors
    /// What is wrong with the model, a text, a pattern or a target that names nothing; sequences longer than the model's context.
    pub fn open(config: TextConfig) -> Result<Self> {
        let (models, tokenizer) = match config.model.kind {
            ModelKind::Pretrained => {
                let model = Rc::new(Pretrained::open(&config.model.from)?);
                let tokenizer = model.tokenizer()?;
                (vec![model; config.methods.len()], tokenizer)
            }
            ModelKind::Decoder => {
                let tokenizer = fresh::tokenizer(&config)?;
                let mixers: Vec<_> = config.methods.iter().map(|method| method.mixer.clone()).collect();
                (fresh::models(&config, &tokenizer, &mixers)?, tokenizer)
            }
        };
        let model = models[0].clone();
        let most = model.decoder().context;
        if config.task.context > most {
            let message =
                format!("`task.context` is {}, more than the model's context of {most}", config.task.context);
            return Err(Error::config("configuration", message));
        }
        let method = |(method, model): (&TextMethod, &Rc<Pretrained>)| resolve(method, &config, model);
        let methods = config.methods.iter().zip(&models).map(method).collect::<Result<Vec<_>>>()?;
        let texts = text::open(&config.task, &Language { model: &model, tokenizer: &tokenizer })?;
        let mut fingerprint = model.fingerprint()?;
        for (at, other) in models.iter().enumerate() {
            // Of models from scratch each that is another.
            if !models[..at].iter().any(|before| Rc::ptr_eq(before, other)) && at > 0 {
                fingerprint += &format!("+{}", other.fingerprint()?);
            }
        }
        let identity = Identity::new(config.to_toml()?, vec![texts.read.clone()]);
        let identity = Identity { start: Some(fingerprint.clone()), ..identity };
        Ok(Experiment { config, model, tokenizer, texts, methods, identity, fingerprint })
    }

    /// Whether its models begin from scratch.
    pub fn is_fresh(&self) -> bool {
        self.config.model.kind == ModelKind::Decoder
    }

    /// What counting foretells of the same text: name and nats a token; none of published models.
    pub fn baselines(&self) -> Vec<(String, f64)> {
        if !self.is_fresh() {
            return Vec::new();
        }
        let all = text::ngrams(&self.texts.train, &self.judged(), self.tokenizer.len());
        all.into_iter().map(|one| (one.name.to_string(), one.nats)).collect()
    }

    /// Sequences that validation takes: rows of those that were kept back, as many as are asked for.
    fn judged(&self) -> Vec<Sequence> {
        let lengths: Vec<usize> = self.texts.validation.iter().map(|sequence| sequence.ids.len()).collect();
        let rows = Rows::unshuffled(&lengths, self.row()).into_iter().take(self.config.eval.rows);
        rows.flatten().map(|i| self.texts.validation[i].clone()).collect()
    }

    /// Most tokens of a row; none where each sequence is one.
    pub fn row(&self) -> Option<usize> {
        self.config.task.pack.then_some(self.config.task.context)
    }

    /// What a pass takes, of training or validation.
    pub fn room(&self) -> Capacity {
        let batch = self.config.finetune.batch;
        let own = capacity(&self.texts.train, self.row(), batch);
        // One sequence to validate on fits at least.
        let longest = |f: fn(&Sequence) -> usize| self.texts.validation.iter().map(f).max().unwrap_or(0);
        Capacity {
            rows: own.rows.max(longest(|sequence| sequence.ids.len())),
            counted: own.counted.max(longest(Sequence::counts)),
            sequences: own.sequences,
            longest: own.longest.max(longest(|sequence| sequence.ids.len())),
        }
    }

    /// What is noted of the model.
    pub fn model_facts(&self) -> ModelFacts {
        let path = self.model.path();
        let named = || path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        ModelFacts {
            name: self.model.name().map_or_else(named, str::to_string),
            architecture: self.model.architecture().into(),
            format: self.model.format(),
            parameters: self.model.decoder().parameters() as u64,
            layers: self.model.decoder().layers as u64,
            fingerprint: self.fingerprint.clone(),
        }
    }

    /// What is noted of the texts.
    pub fn data_facts(&self) -> DataFacts {
        let side = |all: &[Sequence]| SideFacts {
            sequences: all.len(),
            tokens: all.iter().map(|sequence| sequence.ids.len()).sum(),
            counted: all.iter().map(Sequence::counts).sum(),
        };
        let lengths = self.texts.train.iter().map(|sequence| sequence.ids.len()).collect();
        let counts = self.texts.counts;
        DataFacts {
            files: self.texts.read.files.iter().map(|file| file.name.clone()).collect(),
            examples: counts.examples,
            dropped: counts.dropped,
            cut: counts.cut,
            train: side(&self.texts.train),
            validation: side(&self.texts.validation),
            epoch_rows: Rows::new(lengths, self.row(), self.config.seed).epoch_rows(),
        }
    }
}

fn resolve(method: &TextMethod, config: &TextConfig, model: &Rc<Pretrained>) -> Result<Method> {
    let parameters = &table(model.decoder());
    let named = |e: Error| Error::config(format!("method `{}`", method.name), e);
    let base = &config.finetune.optimizer;
    let optimizer = Optimizer { lr: method.lr.unwrap_or(base.lr), ..base.clone() };
    let trains = match &method.lora {
        Some(lora) => {
            let weights = reached(&lora.targets, parameters).map_err(named)?;
            let adapter = Adapter { rank: lora.rank, scale: lora.scale(), weights };
            Trains::Adapter { lora: lora.clone(), adapter }
        }
        None => {
            let trained = mask::resolve(&method.train, parameters).map_err(named)?;
            let groups = grouped(&trained, &config.finetune.groups, &optimizer, parameters).map_err(named)?;
            Trains::Mask { patterns: method.train.clone(), groups }
        }
    };
    Ok(Method {
        name: method.name.clone(),
        model: model.clone(),
        steps: method.steps.unwrap_or(config.finetune.steps),
        trains,
        optimizer,
    })
}

/// What is trained, by groups: the last one that names an element has it.
fn grouped(
    trained: &Spans,
    groups: &[Group],
    base: &Optimizer,
    parameters: &ParamTable,
) -> Result<Vec<(Spans, Optimizer)>> {
    let mut all = vec![(trained.clone(), base.clone())];
    for group in groups {
        let named = mask::resolve(&group.of, parameters).map_err(|e| Error::config("finetune.groups", e))?;
        let own = trained.without(&trained.without(&named));
        all.iter_mut().for_each(|(spans, _)| *spans = spans.without(&own));
        let optimizer = Optimizer {
            lr: group.lr.unwrap_or(base.lr),
            weight_decay: group.weight_decay.unwrap_or(base.weight_decay),
            ..base.clone()
        };
        all.push((own, optimizer));
    }
    all.retain(|(spans, _)| !spans.is_empty());
    Ok(all)
}

impl Method {
    /// Groups of what a learner of these weights trains.
    pub fn groups(&self, weights: &Weights) -> Vec<(Spans, Optimizer)> {
        match &self.trains {
            Trains::Mask { groups, .. } => groups.clone(),
            Trains::Adapter { .. } => {
                let table = weights.adapter_table().expect("an adapter was put beside them");
                vec![(Spans::all(table.len()), self.optimizer.clone())]
            }
        }
    }

    /// All of it.
    pub fn trained(&self, weights: &Weights) -> Spans {
        self.groups(weights).iter().fold(Spans::default(), |all, (own, _)| all.union(own))
    }

    /// In words.
    pub fn words(&self) -> String {
        match &self.trains {
            Trains::Mask { patterns, .. } => patterns.join(" "),
            Trains::Adapter { lora, adapter } => {
                let kind = if lora.rslora { "rsLoRA" } else { "LoRA" };
                let maps = adapter.weights.len();
                format!(
                    "{kind} of rank {}, alpha {}, on {} ({maps} of the linear maps)",
                    lora.rank,
                    lora.alpha,
                    lora.targets.join(" ")
                )
            }
        }
    }

    /// Share of what an adapter reads that is left out.
    pub fn dropout(&self) -> f64 {
        match &self.trains {
            Trains::Mask { .. } => 0.0,
            Trains::Adapter { lora, .. } => lora.dropout,
        }
    }
}

/// Whether an adapter has the same projections in every layer, and which.
pub fn projections(adapter: &Adapter, layers: usize) -> Option<Vec<String>> {
    let mut found = Vec::new();
    for name in PROJECTIONS {
        let there =
            (0..layers).filter(|i| adapter.weights.contains(&format!("model.layers.{i}.{name}.weight")));
        match there.count() {
            0 => {}
            n if n == layers => found.push(name.split_once('.').expect("in a part").1.to_string()),
            _ => return None,
        }
    }
    Some(found)
}
