//! Choosing an axis: linear or logarithmic, where it ends, its ticks.

/// A mapping of values to 0..=1 with labelled ticks.
#[derive(Debug)]
pub(super) struct Axis {
    pub lo: f64,
    pub hi: f64,
    pub log: bool,
    pub ticks: Vec<(f64, String)>,
}

/// A series further above the others than this is let out of the axis.
const GAP: f64 = 6.0;
/// The axis is logarithmic from this ratio of largest to smallest value on.
const DECADE: f64 = 8.0;

impl Axis {
    /// A linear axis from `lo` to `hi` with about `count` ticks at round numbers.
    pub fn linear(lo: f64, hi: f64, count: usize) -> Axis {
        let hi = if hi > lo { hi } else { lo + 1.0 };
        let raw = (hi - lo) / count.max(1) as f64;
        let ten = 10f64.powf(raw.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].map(|m| m * ten).into_iter().find(|s| *s >= raw * 0.999);
        let step = step.unwrap_or(10.0 * ten);
        let first = (lo / step).ceil() as i64;
        let ticks = (first..first + 50).map(|i| i as f64 * step).take_while(|t| *t <= hi + step * 1e-6);
        let ticks = ticks.map(|t| (t, tick(t))).collect();
        Axis { lo, hi, log: false, ticks }
    }

    /// An axis over whole counts 0..=`max`.
    pub fn counts(max: u64) -> Axis {
        let mut axis = Axis::linear(0.0, max.max(1) as f64, 5);
        axis.ticks.retain(|(t, _)| t.fract() == 0.0);
        axis
    }

    /// An axis for errors, fitted to the bulk of the series: one that lies far above the rest (a fine-tuning that
    /// exploded) runs out at the top instead of pressing the others flat. What the rest is judged by (`anchors`) is
    /// always on it.
    pub fn errors(series: &[Vec<f64>], anchors: &[f64]) -> Axis {
        let finite = |s: &Vec<f64>| -> Vec<f64> { s.iter().copied().filter(|v| v.is_finite()).collect() };
        let series: Vec<Vec<f64>> = series.iter().map(finite).filter(|s| !s.is_empty()).collect();
        let mut tops: Vec<f64> = series.iter().map(|s| s.iter().fold(0.0, |a, b| b.max(a))).collect();
        tops.sort_by(f64::total_cmp);
        let Some(mut top) = tops.get(tops.len().saturating_sub(1) / 4).copied() else {
            return Axis::linear(0.0, 1.0, 4);
        };
        top = anchors.iter().copied().filter(|a| a.is_finite()).fold(top, f64::max);
        for next in &tops {
            if *next <= top * GAP {
                top = next.max(top);
            }
        }
        if top <= 0.0 {
            return Axis::linear(0.0, 1.0, 4);
        }
        let floor = top * 1e-5;
        let low = series.iter().flatten().copied().filter(|v| *v <= top).fold(top, f64::min).max(floor);
        if top / low > DECADE {
            Axis::logarithmic(low / 1.2, top * 1.25)
        } else {
            Axis::linear(0.0, top * 1.08, 5)
        }
    }

    /// A logarithmic axis, 0 < `lo` < `hi`.
    pub fn logarithmic(lo: f64, hi: f64) -> Axis {
        let decades = (hi / lo).log10();
        let steps: &[f64] = match decades {
            d if d < 2.2 => &[1.0, 2.0, 5.0],
            d if d < 3.2 => &[1.0, 3.0],
            _ => &[1.0],
        };
        let (first, last) = (lo.log10().floor() as i32, hi.log10().ceil() as i32);
        let values = (first..=last).flat_map(|e| steps.iter().map(move |s| s * 10f64.powi(e)));
        let ticks = values.filter(|v| *v >= lo * 0.999 && *v <= hi * 1.001).map(|v| (v, tick(v)));
        Axis { lo, hi, log: true, ticks: ticks.collect() }
    }

    /// Where a value lies: 0 at `lo`, 1 at `hi`, beyond them outside; a logarithm is bounded below at `lo`.
    pub fn unit(&self, value: f64) -> f64 {
        if self.log {
            (value.max(self.lo) / self.lo).ln() / (self.hi / self.lo).ln()
        } else {
            (value - self.lo) / (self.hi - self.lo)
        }
    }

    /// Whether a value is off the top (or is infinite).
    pub fn above(&self, value: f64) -> bool {
        value > self.hi
    }
}

/// A tick's label: `0.05`, `20`, `5k`, `1e6`.
fn tick(value: f64) -> String {
    let size = value.abs();
    if size < 1e-12 {
        return "0".into();
    }
    if !(1e-3..1e6).contains(&size) {
        return format!("{value:.0e}");
    }
    let text = if size >= 1000.0 { format!("{:.1}", value / 1000.0) } else { format!("{value:.3}") };
    let text = text.trim_end_matches('0').trim_end_matches('.').to_string();
    if size >= 1000.0 { text + "k" } else { text }
}

/// A number for people: four significant digits, `∞`, `NaN`, a power of ten when it is huge or tiny.
pub(super) fn number(value: f64) -> String {
    if value.is_nan() {
        return "NaN".into();
    }
    if value.is_infinite() {
        return if value > 0.0 { "∞".into() } else { "−∞".into() };
    }
    let size = value.abs();
    let text = match size {
        0.0 => "0".into(),
        s if !(1e-4..1e5).contains(&s) => power(value),
        s if s >= 1000.0 => format!("{value:.0}"),
        s if s >= 100.0 => format!("{value:.1}"),
        s if s >= 10.0 => format!("{value:.2}"),
        s if s >= 0.01 => format!("{value:.3}"),
        _ => format!("{value:.5}"),
    };
    text.replace('-', "−")
}

fn power(value: f64) -> String {
    let text = format!("{value:.1e}");
    let Some((mantissa, exponent)) = text.split_once('e') else { return text };
    let raise = |c: char| match c.to_digit(10) {
        Some(d) => ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'][d as usize],
        None => '⁻',
    };
    format!("{mantissa}×10{}", exponent.chars().map(raise).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exploded_series_runs_out_of_the_axis() {
        let calm = vec![vec![1.1, 0.35], vec![0.1, 1.4], vec![0.3, 0.4], vec![2.3, 1.3]];
        let mut series = calm.clone();
        series.push(vec![1.1, f64::NAN, 212.0, f64::INFINITY]);
        let axis = Axis::errors(&series, &[f64::NAN, 1.1]);
        assert!(axis.hi < 6.0 && axis.hi > 2.3 && axis.log, "{axis:?}");
        assert!(axis.above(212.0) && axis.above(f64::INFINITY) && !axis.above(2.3) && !axis.above(f64::NAN));
        assert!(axis.ticks.len() >= 3);
    }

    #[test]
    fn an_anchor_is_on_the_axis_however_far_from_the_rest() {
        let fine_tuned = [vec![0.02], vec![0.03], vec![0.025], vec![0.19]];
        assert!(Axis::errors(&fine_tuned, &[]).above(1.3));
        let axis = Axis::errors(&fine_tuned, &[1.3, f64::INFINITY]);
        assert!(axis.log && !axis.above(1.3) && axis.unit(0.02) > 0.0 && axis.hi < 2.0, "{axis:?}");
    }

    #[test]
    fn close_values_get_a_linear_axis_from_zero() {
        let axis = Axis::errors(&[vec![0.5, 0.9], vec![0.4]], &[]);
        assert!(!axis.log && axis.lo == 0.0 && axis.hi > 0.9 && axis.hi < 1.0);
    }

    #[test]
    fn no_finite_value_still_gives_an_axis() {
        for series in [vec![], vec![vec![]], vec![vec![f64::NAN, f64::INFINITY]], vec![vec![0.0]]] {
            let axis = Axis::errors(&series, &[f64::NAN]);
            assert!(axis.unit(0.5).is_finite() && axis.hi > axis.lo, "{series:?}");
        }
    }

    #[test]
    fn numbers_read_well() {
        let cases = [(0.34532, "0.345"), (1.0994, "1.099"), (212.43, "212.4"), (0.0, "0"), (-2.5, "−2.500")];
        for (value, text) in cases {
            assert_eq!(number(value), text);
        }
        assert_eq!(number(3.1e12), "3.1×10¹²");
        assert_eq!(number(2e-7), "2.0×10⁻⁷");
        assert_eq!((number(f64::NAN), number(f64::INFINITY)), ("NaN".into(), "∞".into()));
        let ticks = Axis::counts(5000).ticks;
        assert_eq!(ticks.last().map(|t| t.1.as_str()), Some("5k"));
    }
}
