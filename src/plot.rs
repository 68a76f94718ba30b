//! Figures: drawing in CSS pixels, as text of SVG. This room knows numbers, names and inks that it is given, and no run.
//!
//! A kind of figure is a file here ([`Panel`], [`Scatter`], [`HeatMaps`]): a struct of what is to be seen, with a `draw`
//! that paints it on a canvas; a new kind is a new file and its line below. What they share: [`Axis`] and its ticks, the
//! frame that values are placed in, [`Ink`] with its two colours, [`Marker`] and [`Dash`], the placing of labels, and
//! the writer of elements. All text is escaped, and no number that is not finite is ever written. Equal figures are
//! equal text.

mod axis;
mod canvas;
mod figure;
mod frame;
mod grid;
mod heat;
mod labels;
mod mark;
mod numbers;
mod palette;
mod panel;
mod scatter;
mod svg;

pub use axis::{Axis, without_outliers};
pub use figure::{Figure, Key, Sample};
pub use grid::Grid;
pub use heat::{HeatMap, HeatMaps, HeatRow};
pub use mark::{DASHES, Dash, Marker};
pub use numbers::number;
pub use palette::{Ink, css};
pub use panel::{Beyond, Dot, Panel, Series, Spread};
pub use scatter::{Measure, Role, Scatter, Spot, front};
pub use svg::escape;
