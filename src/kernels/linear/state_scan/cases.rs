use crate::kernels::Tuning;
use crate::kernels::case::{Bench, Case};
pub fn cases(tuning: &Tuning) -> Vec<Case> {
    let _ = tuning;
    vec![]
}
pub fn benches(tuning: &Tuning) -> Vec<Bench> {
    let _ = tuning;
    vec![]
}
