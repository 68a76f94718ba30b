//! The inks of figures, each with a colour on a light page and one on a dark page.

use std::fmt::Write as _;

/// What something is drawn in. Elements carry the light colour as an attribute, so that a program without style sheets
/// shows the right thing, and a class by which [`css`] gives the dark one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ink {
    /// The page itself.
    Paper,
    Text,
    Muted,
    Axis,
    Grid,
    /// Grey, for what has no value.
    Shade,
    /// The front of a scatter.
    Front,
    /// What all others are compared with.
    Base,
    /// One of a row of colours told apart with any common colour vision; it begins anew after the last.
    Series(usize),
    /// The diverging palette at a level in −16..=16: blue below zero, vermilion above.
    Level(i32),
}

/// Levels of the diverging palette on either side of zero.
pub const LEVELS: i32 = 16;

/// After Okabe and Ito, then Tol's muted scheme; the light column is darkened to 3:1 against white.
pub(super) const SERIES: [(u32, u32); 10] = [
    (0xD55E00, 0xFF8A47),
    (0x0072B2, 0x4FADEB),
    (0x009E73, 0x2FD0A2),
    (0xC4669F, 0xF09CCB),
    (0xC98A00, 0xF7BC46),
    (0x3A9FDB, 0xA3DBFA),
    (0x882255, 0xDD6FA3),
    (0x86862B, 0xCFCF5A),
    (0x4B3BA6, 0xA598F5),
    (0x7F5530, 0xCFA176),
];

impl Ink {
    /// On a light and on a dark page.
    fn colours(self) -> (u32, u32) {
        match self {
            Ink::Paper => (0xFFFFFF, 0x171C22),
            Ink::Text => (0x1B232B, 0xE8ECF0),
            Ink::Muted => (0x5C6772, 0x9DA8B4),
            Ink::Axis => (0x98A2AD, 0x5B6672),
            Ink::Grid => (0xE4E8EC, 0x2A323B),
            Ink::Shade => (0xB9C2CB, 0x414C58),
            Ink::Front => (0xCFE3EE, 0x24465A),
            Ink::Base => (0x11181F, 0xFAFBFC),
            Ink::Series(index) => SERIES[index % SERIES.len()],
            Ink::Level(level) => diverging(level),
        }
    }

    /// `#RRGGBB` on a light page.
    pub(super) fn light(self) -> String {
        format!("#{:06X}", self.colours().0)
    }

    /// The part of a class that names it.
    fn name(self) -> String {
        match self {
            Ink::Paper => "paper".into(),
            Ink::Text => "text".into(),
            Ink::Muted => "muted".into(),
            Ink::Axis => "axis".into(),
            Ink::Grid => "grid".into(),
            Ink::Shade => "shade".into(),
            Ink::Front => "front".into(),
            Ink::Base => "base".into(),
            Ink::Series(index) => format!("c{}", index % SERIES.len()),
            Ink::Level(level) if level < 0 => format!("below{}", -level),
            Ink::Level(level) => format!("above{level}"),
        }
    }

    /// The class of what is filled with it.
    pub(super) fn fill_class(self) -> String {
        format!("f-{}", self.name())
    }

    /// The class of what is stroked with it.
    pub(super) fn stroke_class(self) -> String {
        format!("s-{}", self.name())
    }

    /// Every ink once.
    fn all() -> impl Iterator<Item = Ink> {
        let fixed =
            [Ink::Paper, Ink::Text, Ink::Muted, Ink::Axis, Ink::Grid, Ink::Shade, Ink::Front, Ink::Base];
        let levels = (-LEVELS..=LEVELS).map(Ink::Level);
        fixed.into_iter().chain((0..SERIES.len()).map(Ink::Series)).chain(levels)
    }
}

fn diverging(level: i32) -> (u32, u32) {
    const LIGHT: [u32; 5] = [0x0A3F73, 0x4C9AD2, 0xF6F7F8, 0xF0925C, 0x8F2B00];
    const DARK: [u32; 5] = [0xA9DBFF, 0x2E86C4, 0x232A32, 0xD1622A, 0xFFC9A3];
    let level = level.clamp(-LEVELS, LEVELS);
    let at = f64::from(level + LEVELS) / f64::from(2 * LEVELS) * 4.0;
    (mix(&LIGHT, at), mix(&DARK, at))
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

/// The style sheet of figures (`fig` is the class of their `svg` elements), with dark colours for those classes that
/// `used` says are there.
pub fn css(used: impl Fn(&str) -> bool) -> String {
    let mut dark = String::new();
    for ink in Ink::all() {
        for (property, class) in [("fill", ink.fill_class()), ("stroke", ink.stroke_class())] {
            if used(&class) {
                let _ = write!(dark, ".fig .{class}{{{property}:#{:06X}}}", ink.colours().1);
            }
        }
    }
    let (light, night) = Ink::Paper.colours();
    format!(
        ".fig{{font-family:system-ui,-apple-system,\"Segoe UI\",Roboto,\"Helvetica Neue\",\"DejaVu Sans\",sans-serif}}\
         .fig [fill=none]{{stroke-linejoin:round;stroke-linecap:round}}\
         .fig text{{paint-order:stroke;stroke:#{light:06X};stroke-width:2.5px;stroke-linejoin:round}}\
         @media (prefers-color-scheme:dark){{.fig text{{stroke:#{night:06X}}}{dark}}}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_ink_has_its_class_its_colour_and_its_rule_in_the_dark() {
        let names: BTreeSet<String> = Ink::all().map(Ink::name).collect();
        let light: BTreeSet<String> = Ink::all().map(Ink::light).collect();
        assert_eq!((names.len(), light.len()), (Ink::all().count(), Ink::all().count()));
        let all = css(|_| true);
        let none = css(|_| false);
        for ink in Ink::all() {
            let rule = format!(".fig .{}{{fill:#{:06X}}}", ink.fill_class(), ink.colours().1);
            assert!(all.contains(&rule) && !none.contains(&rule), "{rule}");
        }
        assert_eq!(Ink::Series(SERIES.len()).light(), Ink::Series(0).light());
    }

    #[test]
    fn the_diverging_palette_is_neutral_at_zero() {
        assert_eq!(Ink::Level(0).colours(), (0xF6F7F8, 0x232A32));
        assert_eq!(Ink::Level(-LEVELS).colours().0, 0x0A3F73);
        assert_eq!(Ink::Level(LEVELS).colours().1, 0xFFC9A3);
        assert_eq!(Ink::Level(999).colours(), Ink::Level(LEVELS).colours());
    }
}
