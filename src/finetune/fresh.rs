//! Models that begin from scratch: a tokenizer of the text, and weights that are drawn.

use crate::config::{DecoderSizes, TextConfig};
use crate::error::{Error, Result};
use crate::models::lm::table::table;
use crate::pretrained::{Decoder, FeatureMap, Fresh, Mixer, Mixing, Normaliser, Pretrained, Tokenizer};
use crate::text;
use log::info;
use std::rc::Rc;

/// A tokenizer that an experiment names, or one that is trained on its text.
///
/// # Errors
/// What is wrong with it, or with the text.
pub fn tokenizer(config: &TextConfig) -> Result<Tokenizer> {
    if let Some(path) = &config.model.tokenizer {
        return Tokenizer::open(path);
    }
    let tokens = config.model.sizes(&[]).vocabulary;
    let tokenizer = Tokenizer::train(&text::words(&config.task)?, tokens)?;
    info!("a tokenizer of {} tokens was trained on the text", tokenizer.len());
    Ok(tokenizer)
}

/// Models of each list of mixers: one model where two are alike.
///
/// # Errors
/// A mixer or another word that isn't known; sizes that can't be computed with.
pub fn models(
    config: &TextConfig,
    tokenizer: &Tokenizer,
    mixers: &[Vec<String>],
) -> Result<Vec<Rc<Pretrained>>> {
    let mut all: Vec<(DecoderSizes, Rc<Pretrained>)> = Vec::new();
    let mut found = Vec::new();
    for own in mixers {
        let sizes = config.model.sizes(own);
        let known = all.iter().find(|(other, _)| *other == sizes).map(|(_, model)| model.clone());
        let model = match known {
            Some(model) => model,
            None => {
                let model = Rc::new(model(config, &sizes, tokenizer)?);
                all.push((sizes, model.clone()));
                model
            }
        };
        found.push(model);
    }
    Ok(found)
}

fn model(config: &TextConfig, sizes: &DecoderSizes, tokenizer: &Tokenizer) -> Result<Pretrained> {
    let mixer = |name: &String| {
        let names = || Mixer::ALL.map(|(name, _)| name).join(", ");
        let shown = crate::error::shown(name);
        Mixer::named(name)
            .ok_or_else(|| Error::config("model.mixer", format!("`{shown}` is none; there are {}", names())))
    };
    fn word<T: Copy>(key: &str, name: &str, all: &[(&str, T)]) -> Result<T> {
        let names = || all.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
        let found = all.iter().find(|(own, _)| *own == name).map(|(_, value)| *value);
        let shown = crate::error::shown(name);
        found.ok_or_else(|| Error::config(key, format!("`{shown}` is none; there are {}", names())))
    }
    let [heads, kv_heads] = sizes.heads;
    let decoder = Decoder {
        layers: sizes.layers,
        width: sizes.width,
        heads,
        kv_heads,
        head_dim: sizes.head_dim,
        mlp: sizes.mlp,
        vocabulary: tokenizer.len(),
        context: sizes.context,
        eps: 1e-5,
        theta: 1e4,
        tied: sizes.tied,
        biases: false,
        mixing: Mixing {
            mixers: sizes.mixers.iter().map(mixer).collect::<Result<_>>()?,
            feature_map: word("model.feature_map", &sizes.feature_map, &FeatureMap::ALL)?,
            normaliser: word("model.normaliser", &sizes.normaliser, &Normaliser::ALL)?,
        },
    };
    if let Some(why) = decoder.complaint() {
        return Err(Error::config("model", why));
    }
    let table = table(&decoder);
    let all = table.init(config.seed);
    let tensors = table.params.iter().map(|param| (param.name.clone(), all[param.place()].to_vec()));
    let fresh =
        Fresh { name: named(&sizes.mixers), tensors: tensors.collect(), tokenizer: tokenizer.to_json()? };
    Pretrained::fresh(fresh, decoder)
}

/// What a model is called after its mixers.
fn named(mixers: &[String]) -> String {
    match mixers.split_first() {
        Some((first, rest)) if rest.iter().all(|other| other == first) => format!("{first} decoder"),
        _ => format!("decoder of {}", mixers.join(", ")),
    }
}
