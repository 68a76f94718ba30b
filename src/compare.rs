//! The one comparator of every parity check.

/// Largest relative root mean square of the difference that passes.
pub const RMS: f64 = 1e-5;
/// Largest single difference that passes, over the root mean square of what is expected.
pub const MAX: f64 = 1e-4;

/// How far two arrays are apart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Distance {
    /// Root mean square of the difference over that of the expected values.
    pub rms: f64,
    /// Largest difference over the root mean square of the expected values.
    pub max: f64,
}

impl Distance {
    /// Written so that a NaN fails.
    pub fn passes(&self) -> bool {
        self.rms <= RMS && self.max <= MAX
    }
}

/// Compares what came out with what is expected.
///
/// # Errors
/// Lengths differ, nothing to compare, or a value of either side is not finite: never a pass.
pub fn distance(found: &[f32], expected: &[f64]) -> Result<Distance, String> {
    if found.len() != expected.len() || found.is_empty() {
        return Err(format!("{} values where {} are expected", found.len(), expected.len()));
    }
    if let Some(i) = expected.iter().position(|x| !x.is_finite()) {
        return Err(format!("the reference has {} at {i}", expected[i]));
    }
    if let Some(i) = found.iter().position(|x| !x.is_finite()) {
        return Err(format!("{} at {i}", found[i]));
    }
    let count = expected.len() as f64;
    let scale = (expected.iter().map(|x| x * x).sum::<f64>() / count).sqrt();
    let gaps = || found.iter().zip(expected).map(|(f, e)| (*f as f64 - e).abs());
    let rms = (gaps().map(|g| g * g).sum::<f64>() / count).sqrt();
    let max = gaps().fold(0.0, f64::max);
    // All zeros expected: any difference at all is infinitely far.
    let relative = |x: f64| if x == 0.0 { 0.0 } else { x / scale };
    Ok(Distance { rms: relative(rms), max: relative(max) })
}
