//! One colour and one marker per model, the same in every figure; light and dark.

use super::load::PRETRAINED;
use crate::config::{Loss, Method};
use std::fmt::Write as _;

/// A colour on a light page and its counterpart on a dark one. Figures are drawn in the light colour; the style
/// sheet maps it to the dark one, so that an SVG without CSS support still shows the right thing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Ink {
    pub light: u32,
    pub dark: u32,
}

const fn ink(light: u32, dark: u32) -> Ink {
    Ink { light, dark }
}

pub(super) const PAPER: Ink = ink(0xFFFFFF, 0x171C22);
pub(super) const TEXT: Ink = ink(0x1B232B, 0xE8ECF0);
pub(super) const MUTED: Ink = ink(0x5C6772, 0x9DA8B4);
pub(super) const AXIS: Ink = ink(0x98A2AD, 0x5B6672);
pub(super) const GRID: Ink = ink(0xE4E8EC, 0x2A323B);
pub(super) const SHADE: Ink = ink(0xB9C2CB, 0x414C58);
pub(super) const FRONT: Ink = ink(0xCFE3EE, 0x24465A);
const PRETRAINED_INK: Ink = ink(0x11181F, 0xFAFBFC);

/// After Okabe and Ito, then Tol's muted scheme: told apart with any common colour vision; the light column is
/// darkened to 3:1 against white.
const METHODS: [Ink; 10] = [
    ink(0xD55E00, 0xFF8A47),
    ink(0x0072B2, 0x4FADEB),
    ink(0x009E73, 0x2FD0A2),
    ink(0xC4669F, 0xF09CCB),
    ink(0xC98A00, 0xF7BC46),
    ink(0x3A9FDB, 0xA3DBFA),
    ink(0x882255, 0xDD6FA3),
    ink(0x86862B, 0xCFCF5A),
    ink(0x4B3BA6, 0xA598F5),
    ink(0x7F5530, 0xCFA176),
];

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Marker {
    Circle,
    Square,
    Triangle,
    Diamond,
}

/// How one model is drawn.
#[derive(Clone, Debug)]
pub(super) struct Style {
    pub model: String,
    pub ink: Ink,
    pub marker: Marker,
}

/// A style for every model: colours in order; circles descend the zero-shot loss, squares both, triangles few-shot.
pub(super) fn styles(models: &[String], known: &[Method]) -> Vec<Style> {
    let methods = models.iter().filter(|m| *m != PRETRAINED);
    let style = |(index, model): (usize, &String)| {
        let loss = known.iter().find(|m| m.name == *model).map(|m| m.loss);
        let marker = match loss {
            Some(Loss::ZsFs) => Marker::Square,
            Some(Loss::Fs) => Marker::Triangle,
            Some(Loss::Zs) | None => Marker::Circle,
        };
        Style { model: model.clone(), ink: METHODS[index % METHODS.len()], marker }
    };
    let first = Style { model: PRETRAINED.into(), ink: PRETRAINED_INK, marker: Marker::Diamond };
    models
        .iter()
        .filter(|m| *m == PRETRAINED)
        .map(|_| first.clone())
        .chain(methods.enumerate().map(style))
        .collect()
}

/// Levels of the heat maps' palette on either side of zero.
pub(super) const LEVELS: i32 = 16;

/// The diverging palette at a level in −[`LEVELS`]..=[`LEVELS`]: blue below zero, vermilion above.
pub(super) fn diverging(level: i32) -> Ink {
    const LIGHT: [u32; 5] = [0x0A3F73, 0x4C9AD2, 0xF6F7F8, 0xF0925C, 0x8F2B00];
    const DARK: [u32; 5] = [0xA9DBFF, 0x2E86C4, 0x232A32, 0xD1622A, 0xFFC9A3];
    let at = f64::from(level + LEVELS) / f64::from(2 * LEVELS) * 4.0;
    Ink { light: mix(&LIGHT, at), dark: mix(&DARK, at) }
}

fn mix(stops: &[u32; 5], at: f64) -> u32 {
    let below = (at.floor() as usize).min(3);
    let part = at - below as f64;
    let channel = |shift: u32| {
        let of = |c: u32| f64::from(c >> shift & 0xFF);
        ((of(stops[below]) * (1.0 - part) + of(stops[below + 1]) * part).round() as u32) << shift
    };
    channel(16) | channel(8) | channel(0)
}

/// The style sheet of every figure, inline (`fig` is the class of its svg element) and alone.
pub(super) fn css() -> String {
    let mut dark = String::new();
    let fixed = [PAPER, TEXT, MUTED, AXIS, GRID, SHADE, FRONT, PRETRAINED_INK];
    let levels = (-LEVELS..=LEVELS).map(diverging);
    for Ink { light, dark: night } in fixed.into_iter().chain(METHODS).chain(levels) {
        let _ = write!(dark, ".fig [fill=\"#{light:06X}\"]{{fill:#{night:06X}}}");
        let _ = write!(dark, ".fig [stroke=\"#{light:06X}\"]{{stroke:#{night:06X}}}");
    }
    format!(
        ".fig{{font-family:system-ui,-apple-system,\"Segoe UI\",Roboto,\"Helvetica Neue\",\"DejaVu Sans\",sans-serif}}\
         .fig polyline{{stroke-linejoin:round;stroke-linecap:round}}\
         .fig text{{paint-order:stroke;stroke:#{:06X};stroke-width:10px;stroke-linejoin:round}}\
         @media (prefers-color-scheme:dark){{.fig text{{stroke:#{:06X}}}{dark}}}",
        PAPER.light, PAPER.dark
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_light_colour_has_one_dark_counterpart() {
        let fixed = [PAPER, TEXT, MUTED, AXIS, GRID, SHADE, FRONT, PRETRAINED_INK];
        let all: Vec<Ink> =
            fixed.into_iter().chain(METHODS).chain((-LEVELS..=LEVELS).map(diverging)).collect();
        for (i, a) in all.iter().enumerate() {
            assert!(all[i + 1..].iter().all(|b| b.light != a.light), "{a:?}");
        }
    }

    #[test]
    fn the_diverging_palette_is_neutral_at_zero() {
        assert_eq!(diverging(0), ink(0xF6F7F8, 0x232A32));
        assert_eq!(diverging(-LEVELS).light, 0x0A3F73);
        assert_eq!(diverging(LEVELS).dark, 0xFFC9A3);
    }
}
