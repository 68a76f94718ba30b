//! Choosing an axis: linear or logarithmic, where it ends, its ticks.

use super::numbers::{shortest, tick};

/// A mapping of values to 0..=1 with labelled ticks.
#[derive(Clone, Debug)]
pub struct Axis {
    pub lo: f64,
    pub hi: f64,
    pub log: bool,
    pub ticks: Vec<(f64, String)>,
}

/// A series further above the others than this is let out of the axis.
const GAP: f64 = 6.0;
/// The axis is logarithmic from this ratio of largest to smallest value on.
const DECADE: f64 = 8.0;
/// Ticks at the values themselves, up to so many.
const FEW: usize = 8;

/// The largest of values that does not lie further above the next lower one than `factor`; no outlier, that is. A
/// quarter of the values, or the one at `least`, is never one. None of no values.
pub fn without_outliers(mut tops: Vec<f64>, least: f64, factor: f64) -> Option<f64> {
    tops.sort_by(f64::total_cmp);
    let calm = tops.get(tops.len().saturating_sub(1) / 4).copied()?;
    let follow = |top: f64, next: f64| if next <= top * factor { next.max(top) } else { top };
    Some(tops.into_iter().fold(calm.max(least), follow))
}

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
        let tops = series.iter().map(|s| s.iter().fold(0.0, |a: f64, b| b.max(a))).collect();
        let least = anchors.iter().copied().filter(|a| a.is_finite()).fold(0.0, f64::max);
        let Some(top) = without_outliers(tops, least, GAP) else {
            return Axis::linear(0.0, 1.0, 4);
        };
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

    /// An axis of settings: logarithmic where all are positive, with ticks at them where they are few.
    pub fn settings(values: impl Iterator<Item = f64>) -> Axis {
        let mut values: Vec<f64> = values.filter(|v| v.is_finite()).collect();
        values.sort_by(f64::total_cmp);
        values.dedup();
        let (lo, hi) = (values.first().copied().unwrap_or(0.0), values.last().copied().unwrap_or(1.0));
        let mut axis = if lo > 0.0 {
            let room = (hi / lo).powf(0.06).max(1.05);
            Axis::logarithmic(lo / room, hi * room)
        } else {
            let room = (hi - lo) * 0.06;
            Axis::linear(lo - room, hi + room, 5)
        };
        if values.len() <= FEW {
            axis.ticks = values.iter().map(|v| (*v, shortest(*v))).collect();
        }
        axis
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
    fn ticks_cover_the_data_and_lie_on_the_axis() {
        let linear = [(0.0, 1.0), (0.0, 20.0), (-3.0, 7e5), (5.0, 5.0), (0.0, 1e-7)];
        let logarithmic = [(0.1, 1.4), (1e-5, 1.0), (0.02, 250.0), (3.0, 30.0)];
        let axes = linear.map(|(lo, hi)| Axis::linear(lo, hi, 5)).into_iter();
        for axis in axes.chain(logarithmic.map(|(lo, hi)| Axis::logarithmic(lo, hi))) {
            assert!((3..=13).contains(&axis.ticks.len()), "{axis:?}");
            let places: Vec<f64> = axis.ticks.iter().map(|(value, _)| axis.unit(*value)).collect();
            assert!(places.iter().all(|p| (-0.01..=1.01).contains(p)) && places.is_sorted(), "{axis:?}");
            // No large part of the axis is without one.
            assert!(places[0] < 0.4 && places[places.len() - 1] > 0.6, "{axis:?}");
            let labels: std::collections::BTreeSet<&str> = axis.ticks.iter().map(|t| t.1.as_str()).collect();
            assert_eq!(labels.len(), axis.ticks.len(), "{axis:?}");
        }
        assert_eq!(Axis::counts(5000).ticks.last().map(|t| t.1.as_str()), Some("5k"));
    }

    #[test]
    fn settings_have_ticks_at_themselves_where_they_are_few() {
        let axis = Axis::settings([0.01, 0.003, 0.03, 0.01, f64::NAN].into_iter());
        let labels: Vec<&str> = axis.ticks.iter().map(|t| t.1.as_str()).collect();
        assert!(axis.log && labels == ["0.003", "0.01", "0.03"], "{axis:?}");
        assert!(axis.lo < 0.003 && axis.hi > 0.03);
        let many = Axis::settings((0..60).map(f64::from));
        assert!(!many.log && many.ticks.len() < 12 && many.lo < 0.0 && many.hi > 59.0, "{many:?}");
        for odd in [vec![], vec![0.0], vec![f64::INFINITY], vec![2.0]] {
            let axis = Axis::settings(odd.iter().copied());
            assert!(axis.hi > axis.lo && axis.unit(axis.lo) == 0.0, "{odd:?}: {axis:?}");
        }
    }
}
