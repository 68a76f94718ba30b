//! Problems of one's own: laws that a program brings, floe's or its own.

use super::{Known, Problem, tests};
use crate::error::{Error, Result};
use crate::fingerprint::{Data, FileRead, sha256};
use crate::prompt::law::Law;
use crate::random::rng::{Stream, key};

impl Problem {
    /// A problem of these laws: what is pre-trained on, what is fine-tuned on, and what is tested, by name. `seed` is the
    /// configuration's; it gives each law its key.
    ///
    /// A result says that it was made from these laws by a hash of each, as it does of data files.
    ///
    /// # Errors
    /// [`Error::Usage`] where the laws have not the same number of covariates, or tests share a name.
    pub fn new(
        seed: u64,
        pretrain: Law,
        finetune: Law,
        tested: Vec<(&'static str, Law)>,
        description: impl Into<String>,
    ) -> Result<Problem> {
        let dim = pretrain.dim();
        let laws = || [("pretrain", &pretrain), ("finetune", &finetune)].into_iter();
        let all: Vec<(&str, &Law)> = laws().chain(tested.iter().map(|(name, law)| (*name, law))).collect();
        if let Some((name, other)) = all.iter().find(|(_, law)| law.dim() != dim) {
            let other = other.dim();
            return Err(Error::Usage(format!("law `{name}` has {other} covariates where others have {dim}")));
        }
        for (i, (name, _)) in tested.iter().enumerate() {
            if tested[..i].iter().any(|(other, _)| other == name) {
                return Err(Error::Usage(format!(
                    "two tests are called `{name}`; give each a name of its own"
                )));
            }
        }
        let file = |(name, law): (&str, &Law)| {
            let bytes = law.print();
            FileRead { name: name.into(), bytes: bytes.len() as u64, sha256: sha256(&bytes) }
        };
        Ok(Problem {
            dim,
            read: Data { files: all.into_iter().map(file).collect(), ..Data::default() },
            pretrain: pretrain.with_key(key(seed, Stream::Pretrain, 0)),
            finetune: finetune.with_key(key(seed, Stream::Finetune, 0)),
            tests: tests(seed, tested),
            description: description.into(),
            facts: Default::default(),
            known: Known::Samples,
        })
    }
}
