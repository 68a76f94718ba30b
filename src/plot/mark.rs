//! Markers of points and dashes of lines.

/// The shape of a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Marker {
    Circle,
    Square,
    Triangle,
    Diamond,
}

impl Marker {
    /// Corners around the origin at radius 1; none of a circle.
    pub(super) fn corners(self) -> &'static [(f64, f64)] {
        match self {
            Marker::Circle => &[],
            Marker::Square => &[(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)],
            Marker::Triangle => &[(0.0, -1.25), (1.12, 0.8), (-1.12, 0.8)],
            Marker::Diamond => &[(0.0, -1.3), (1.3, 0.0), (0.0, 1.3), (-1.3, 0.0)],
        }
    }
}

/// How a line is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dash {
    Solid,
    Long,
    Short,
    Dots,
    Mixed,
}

/// Dashes that are told apart, in the order in which lines take them.
pub const DASHES: [Dash; 4] = [Dash::Long, Dash::Dots, Dash::Mixed, Dash::Short];

impl Dash {
    /// The value of `stroke-dasharray`; none of a solid line.
    pub(super) fn pattern(self) -> Option<&'static str> {
        match self {
            Dash::Solid => None,
            Dash::Long => Some("8 4.5"),
            Dash::Short => Some("4 3.5"),
            Dash::Dots => Some("0.8 3.8"),
            Dash::Mixed => Some("8 4 1 4"),
        }
    }
}
