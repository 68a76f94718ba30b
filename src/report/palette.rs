//! One ink and one marker per model, the same in every figure.

use super::load::PRETRAINED;
use crate::config::{Loss, Method};
use crate::plot::{Ink, Key, Marker, Sample};

/// How one model is drawn.
#[derive(Clone, Debug)]
pub(super) struct Style {
    pub model: String,
    pub ink: Ink,
    pub marker: Marker,
}

impl Style {
    /// The model's entry in a legend.
    pub fn key(&self) -> Key {
        Key { label: self.model.clone(), ink: self.ink, sample: Sample::Marked(self.marker) }
    }
}

/// A style for every model: inks in order; circles descend the zero-shot loss, squares both, triangles few-shot.
pub(super) fn styles(models: &[String], known: &[Method]) -> Vec<Style> {
    let methods = models.iter().filter(|m| *m != PRETRAINED);
    let style = |(index, model): (usize, &String)| {
        let loss = known.iter().find(|m| m.name == *model).map(|m| m.loss);
        let marker = match loss {
            Some(Loss::ZsFs) => Marker::Square,
            Some(Loss::Fs) => Marker::Triangle,
            Some(Loss::Zs) | None => Marker::Circle,
        };
        Style { model: model.clone(), ink: Ink::Series(index), marker }
    };
    let first = Style { model: PRETRAINED.into(), ink: Ink::Base, marker: Marker::Diamond };
    let base = models.iter().filter(|m| *m == PRETRAINED).map(|_| first.clone());
    base.chain(methods.enumerate().map(style)).collect()
}
