//! Parity cases and benches of `matvec`: of products that few rows have, by whatever the variant takes them with.

use super::super::matmul::Form;
use super::super::matmul::cases::{Extras, bench, case};
use crate::kernels::Tuning;
use crate::kernels::case::{Bench, Case};

pub fn cases(tuning: &Tuning) -> Vec<Case> {
    let sizes = [[1, 37, 20], [1, 130, 300], [2, 5, 4], [3, 66, 132], [4, 64, 64]];
    let extras = [Extras::default(), Extras { plus: true, bias: true, ..Extras::default() }];
    let of = |size: [usize; 3]| {
        extras.map(|extras| {
            let what = if extras.plus { " added with a bias" } else { "" };
            case(format!("{size:?}{what}"), Form::Nt, size, extras, tuning)
        })
    };
    sizes.into_iter().flat_map(of).collect()
}

pub fn benches(tuning: &Tuning) -> Vec<Bench> {
    let (n, k) = (4096, 1024);
    let bytes = 4.0 * (n * k) as f64;
    vec![Bench {
        name: format!("{k}→{n}, copies to textures included"),
        recording: bench(Form::Nt, [1, n, k], tuning),
        flops: 2.0 * (n * k) as f64,
        bytes,
    }]
}
