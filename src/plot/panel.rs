//! The kind of figure with lines: series of points over a common pair of axes.

use super::axis::Axis;
use super::canvas::Canvas;
use super::frame::Frame;
use super::mark::{Dash, Marker};
use super::palette::Ink;

/// More points than this of a line are thinned, keeping every extreme.
const MOST: usize = 300;

/// A value, and how far its error reaches to either side (NaN where that is not known).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dot {
    pub x: f64,
    pub y: f64,
    pub spread: f64,
}

/// How errors are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spread {
    None,
    Band,
    Bars,
}

/// Which points above the axis have a sign (▲) at the top of the frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beyond {
    None,
    First,
    Each,
}

/// One series, by default a thin line through its points alone.
#[derive(Clone, Debug)]
pub struct Series {
    /// Shown where a pointer rests on it.
    pub name: String,
    pub ink: Ink,
    /// In the order of x.
    pub dots: Vec<Dot>,
    /// What the line runs through instead of the dots.
    pub along: Option<Vec<(f64, f64)>>,
    /// Width in pixels, and dash.
    pub stroke: (f64, Dash),
    /// The marker of the dots and its radius.
    pub marks: Option<(Marker, f64)>,
    pub spread: Spread,
    pub beyond: Beyond,
    /// Pixels to the right of its place, so that series that coincide are both seen.
    pub shift: f64,
}

impl Series {
    /// A line through points.
    pub fn line(name: &str, ink: Ink, points: &[(f64, f64)], width: f64, dash: Dash) -> Series {
        Series {
            name: name.to_string(),
            ink,
            dots: points.iter().map(|(x, y)| Dot { x: *x, y: *y, spread: f64::NAN }).collect(),
            along: None,
            stroke: (width, dash),
            marks: None,
            spread: Spread::None,
            beyond: Beyond::None,
            shift: 0.0,
        }
    }
}

/// A figure of series.
pub struct Panel<'a> {
    /// In pixels.
    pub size: (f64, f64),
    pub title: &'a str,
    /// What the axes show, across and up.
    pub names: [&'a str; 2],
    pub x: &'a Axis,
    pub y: &'a Axis,
    /// From the bottom up.
    pub series: &'a [Series],
}

impl Panel<'_> {
    /// The figure's elements.
    pub fn draw(&self) -> String {
        let (width, height) = self.size;
        let edges = [46.0, 50.0, width - 12.0, height - 42.0];
        let frame = Frame { edges, x: self.x, y: self.y };
        Canvas::draw(|canvas| {
            frame.title(canvas, self.title);
            frame.grid(canvas, self.names[0], self.names[1]);
            for series in self.series {
                canvas.named(&series.name, |canvas| paint(canvas, &frame, series));
            }
        })
    }
}

fn paint(canvas: &mut Canvas, frame: &Frame, s: &Series) {
    let shifted = |(x, y): (f64, f64)| ((x + s.shift).clamp(frame.edges[0], frame.edges[2]), y);
    let at = |x: f64, y: f64| shifted(frame.at(x, y));
    let inside = |dot: &&Dot| dot.y.is_finite() && !frame.y.above(dot.y);
    let known = |dot: &Dot| inside(&dot) && dot.spread.is_finite();
    let ends = |dot: &Dot| [at(dot.x, dot.y - dot.spread), at(dot.x, dot.y + dot.spread)];
    match s.spread {
        Spread::None => {}
        Spread::Band => {
            for run in s.dots.chunk_by(|a, b| known(a) == known(b)).filter(|run| known(&run[0])) {
                let (low, high): (Vec<_>, Vec<_>) =
                    run.iter().map(ends).map(|[low, high]| (low, high)).unzip();
                if run.iter().any(|dot| dot.spread > 0.0) {
                    canvas.fill(
                        &high.into_iter().chain(low.into_iter().rev()).collect::<Vec<_>>(),
                        s.ink,
                        0.18,
                    );
                }
            }
        }
        Spread::Bars => {
            let bars: Vec<_> = s.dots.iter().filter(|dot| known(dot)).map(ends).collect();
            canvas.lines(&bars, s.ink, 1.4, Dash::Solid);
        }
    }
    let dots: Vec<(f64, f64)> = s.dots.iter().map(|dot| (dot.x, dot.y)).collect();
    let joined = s.along.as_ref().unwrap_or(&dots);
    let runs =
        frame.runs(&thin(joined)).into_iter().map(|run| run.into_iter().map(shifted).collect::<Vec<_>>());
    canvas.lines(&runs.collect::<Vec<_>>(), s.ink, s.stroke.0, s.stroke.1);
    if let Some((marker, radius)) = s.marks {
        let places: Vec<_> = s.dots.iter().filter(inside).map(|dot| at(dot.x, dot.y)).collect();
        canvas.marks(marker, &places, radius, s.ink);
    }
    let most = match s.beyond {
        Beyond::None => 0,
        Beyond::First => 1,
        Beyond::Each => usize::MAX,
    };
    // Of a series that is a line alone, the line's.
    let shown = if dots.iter().any(|(_, y)| !y.is_nan()) { &dots } else { joined };
    let above = shown.iter().filter(|(_, y)| frame.y.above(*y)).take(most);
    let signs: Vec<_> = above.map(|(x, _)| at(*x, frame.y.hi)).map(|(x, top)| (x, top + 3.0)).collect();
    canvas.marks(Marker::Triangle, &signs, 4.2, s.ink);
}

/// Keeps the smallest and the largest of every bucket, so that spikes survive.
fn thin(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    if points.len() <= MOST {
        return points.to_vec();
    }
    let bucket = points.len().div_ceil(MOST / 2);
    let mut kept = Vec::new();
    for part in points.chunks(bucket) {
        let by = |a: &&(f64, f64), b: &&(f64, f64)| a.1.total_cmp(&b.1);
        let mut pair: Vec<(f64, f64)> =
            part.iter().min_by(by).into_iter().chain(part.iter().max_by(by)).copied().collect();
        pair.sort_by(|a, b| a.0.total_cmp(&b.0));
        pair.dedup();
        kept.extend(pair);
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::super::palette::SERIES;
    use super::*;

    /// Every number in the data of every path.
    fn numbers(body: &str) -> Vec<f64> {
        let data = body.split(" d=\"").skip(1).map(|part| part.split('"').next().unwrap());
        data.flat_map(|d| d.split(|c: char| !(c.is_ascii_digit() || ".-".contains(c))))
            .filter(|n| !n.is_empty())
            .map(|n| n.parse().unwrap_or_else(|_| panic!("`{n}` in {body}")))
            .collect()
    }

    fn panel(series: &[Series]) -> String {
        let (x, y) = (Axis::counts(20), Axis::linear(0.0, 1.0, 5));
        let names = ["steps", "loss"];
        Panel { size: (400.0, 330.0), title: "A < B", names, x: &x, y: &y, series }.draw()
    }

    fn marked(name: &str, ink: Ink, dots: &[[f64; 3]]) -> Series {
        Series {
            dots: dots.iter().map(|[x, y, spread]| Dot { x: *x, y: *y, spread: *spread }).collect(),
            marks: Some((Marker::Circle, 3.0)),
            beyond: Beyond::First,
            ..Series::line(name, ink, &[], 1.6, Dash::Solid)
        }
    }

    #[test]
    fn every_series_is_drawn_and_named() {
        let series: Vec<Series> = (0..SERIES.len())
            .map(|i| marked(&format!("s{i}<"), Ink::Series(i), &[[0.0, 0.1, 0.0], [20.0, 0.9, 0.0]]))
            .collect();
        let body = panel(&series);
        for s in &series {
            let named = format!("<g><title>{}&lt;</title>", s.name.trim_end_matches('<'));
            let own = body.split(&named).nth(1).unwrap_or_else(|| panic!("{named} in {body}"));
            let line = format!("fill=\"none\" stroke=\"{}\"", s.ink.light());
            assert!(own.split("</g></g>").next().unwrap().contains(&line), "{named}");
        }
        assert_eq!(body.matches("<circle").count(), 2 * series.len());
        assert!(body.contains(">A &lt; B</text>") && body.contains(">steps</text>"));
    }

    #[test]
    fn bands_and_bars_reach_as_far_as_the_error() {
        let dots = [[0.0, 0.5, 0.1], [10.0, 0.5, 0.2], [20.0, 0.5, 0.1]];
        let band = panel(&[Series { spread: Spread::Band, ..marked("a", Ink::Base, &dots) }]);
        // The frame is 238 high, from 50 to 288: one tenth is 23.8.
        assert!(band.contains("d=\"M46 145.2 217 121.4 388 145.2 388 192.8 217 216.6 46 192.8z\""), "{band}");
        assert!(band.contains("fill-opacity=\"0.18\""));
        let bars = panel(&[Series { spread: Spread::Bars, ..marked("a", Ink::Base, &dots) }]);
        assert!(bars.contains("M217 216.6 217 121.4"), "{bars}");
        // None is known: nothing is drawn of it, and the rest is.
        let unknown = dots.map(|[x, y, _]| [x, y, f64::NAN]);
        for spread in [Spread::Band, Spread::Bars] {
            let body = panel(&[Series { spread, ..marked("a", Ink::Base, &unknown) }]);
            assert!(!body.contains("fill-opacity") && body.matches("<circle").count() == 3);
        }
    }

    #[test]
    fn whatever_the_data_every_number_is_finite_and_on_the_sheet() {
        let odd = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e300, -1e300, 0.5, -0.0, 1e-300];
        for a in odd {
            for b in odd {
                let dots = [[0.0, 0.3, 0.1], [a, b, a], [b, a, b], [5.0, a, b], [10.0, 0.4, 0.1]];
                for spread in [Spread::None, Spread::Band, Spread::Bars] {
                    let series = Series { spread, beyond: Beyond::Each, ..marked("odd", Ink::Base, &dots) };
                    let body = panel(&[series]);
                    let off = numbers(&body).into_iter().find(|n| !(-1.0..=401.0).contains(n));
                    assert!(
                        off.is_none() && !body.contains("NaN") && !body.contains("inf"),
                        "{off:?} in {body}"
                    );
                    assert!(body.contains("<circle"), "what is finite is drawn: {body}");
                }
            }
        }
    }

    #[test]
    fn what_lies_above_the_axis_has_a_sign_at_its_top() {
        let dots = [[0.0, 0.5, 0.0], [10.0, 7.0, 0.0], [20.0, f64::INFINITY, 0.0]];
        let signs = |beyond| {
            let body = panel(&[Series { beyond, ..marked("a", Ink::Base, &dots) }]);
            body.matches("z\"").count()
        };
        assert_eq!([Beyond::None, Beyond::First, Beyond::Each].map(signs), [0, 1, 2]);
    }

    #[test]
    fn thinning_keeps_spikes_and_order() {
        let mut points: Vec<(f64, f64)> = (0..5000).map(|i| (f64::from(i), 1.0)).collect();
        points[2345].1 = 99.0;
        let thinned = thin(&points);
        assert!(thinned.len() <= MOST + 2);
        assert!(thinned.contains(&(2345.0, 99.0)));
        assert!(thinned.windows(2).all(|w| w[0].0 < w[1].0));
    }
}
