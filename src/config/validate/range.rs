//! Numbers in range, and what is said of one that is not.

/// Most steps of a phase: a step's number is a 32-bit counter of the random numbers.
pub const MOST: u64 = u32::MAX as u64;

/// A value that is off: the path of its key and what is wrong with it.
#[derive(Debug)]
pub(in crate::config) struct Fault {
    pub path: String,
    message: String,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{}` {}", self.path, self.message)
    }
}

pub type Check = std::result::Result<(), Fault>;

pub fn fail(path: impl Into<String>, message: String) -> Check {
    Err(Fault { path: path.into(), message })
}

/// 1 ≤ value < 2^32.
pub fn count(path: &str, value: u64) -> Check {
    match value {
        0 => fail(path, "is 0; at least 1".into()),
        1..=MOST => Ok(()),
        _ => fail(path, format!("is {value}; at most {MOST}")),
    }
}

/// The product is an index that 32 bits hold.
pub fn fits(path: &str, what: &str, factors: &[u64]) -> Check {
    let total = factors.iter().try_fold(1u64, |product, f| product.checked_mul(*f));
    if total.is_some_and(|total| total <= MOST) {
        return Ok(());
    }
    fail(path, format!("is too large: {what} are more than {MOST} numbers in all"))
}

/// The number as the device sees it, in single precision.
pub fn single(path: &str, value: f64) -> std::result::Result<f32, Fault> {
    let single = value as f32;
    if single.is_finite() {
        return Ok(single);
    }
    Err(Fault { path: path.into(), message: format!("is {value}; a finite number of single precision") })
}

pub fn positive(path: &str, value: f64) -> Check {
    match single(path, value)? > 0.0 {
        true => Ok(()),
        false => fail(path, format!("is {value}; above 0 (in single precision)")),
    }
}

pub fn not_negative(path: &str, value: f64) -> Check {
    match single(path, value)? >= 0.0 {
        true => Ok(()),
        false => fail(path, format!("is {value}; 0 or more")),
    }
}

/// 0 ≤ value < 1, in single precision too.
pub fn decay(path: &str, value: f64) -> Check {
    match (0.0..1.0).contains(&single(path, value)?) {
        true => Ok(()),
        false => fail(path, format!("is {value}; from 0 to below 1")),
    }
}

/// 0 < value < 1.
pub fn share(path: &str, value: f64) -> Check {
    match value > 0.0 && value < 1.0 {
        true => Ok(()),
        false => fail(path, format!("is {value}; a share between 0 and 1, both excluded")),
    }
}
