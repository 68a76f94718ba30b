//! Products of f32 matrices by the gemm crate: a JSON line with the median GFLOP/s of each form and size.
//!
//!     gemm-step [--threads 2] [--seconds 1]

use gemm::Parallelism;
use std::time::Instant;

/// Rows of the product, its columns, and the length of a sum, as `floe bench` has them.
const SIZES: [(usize, usize, usize); 2] = [(1024, 1024, 1024), (4096, 688, 256)];
const LEAST: usize = 5;

/// Numbers in −1 to 1 that look like chance.
fn noise(count: usize, mut state: u64) -> Vec<f32> {
    let mut next = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

/// A row-major matrix, or one that is held transposed: its numbers, and the strides of a column and of a row.
struct Matrix {
    numbers: Vec<f32>,
    col: isize,
    row: isize,
}

impl Matrix {
    fn new(rows: usize, cols: usize, transposed: bool, seed: u64) -> Self {
        let (col, row) = if transposed { (rows, 1) } else { (1, cols) };
        Matrix { numbers: noise(rows * cols, seed), col: col as isize, row: row as isize }
    }

    fn at(&self, row: usize, col: usize) -> f64 {
        self.numbers[row * self.row as usize + col * self.col as usize].into()
    }
}

struct Product {
    size: (usize, usize, usize),
    a: Matrix,
    b: Matrix,
    c: Matrix,
    threads: usize,
}

impl Product {
    fn new(form: &str, size: (usize, usize, usize), threads: usize) -> Self {
        let (m, n, k) = size;
        let a = Matrix::new(m, k, form == "TN", 1);
        let b = Matrix::new(k, n, form == "NT", 2);
        Product { size, a, b, c: Matrix::new(m, n, false, 3), threads }
    }

    fn run(&mut self) {
        let ((m, n, k), a, b, c) = (self.size, &self.a, &self.b, &mut self.c);
        let threads = if self.threads == 1 { Parallelism::None } else { Parallelism::Rayon(self.threads) };
        let (to, from, with) = (c.numbers.as_mut_ptr(), a.numbers.as_ptr(), b.numbers.as_ptr());
        // SAFETY: sizes and strides are those that the matrices were made with, and none is another's memory.
        unsafe {
            gemm::gemm(
                m, n, k, to, c.col, c.row, false, from, a.col, a.row, with, b.col, b.row, 0.0, 1.0, false,
                false, false, threads,
            )
        }
    }

    /// Some elements are those of a sum in f64.
    fn check(&self) {
        let (m, n, k) = self.size;
        for i in 0..64 {
            let (row, col) = (i * 7919 % m, i * 104729 % n);
            let sum: f64 = (0..k).map(|j| self.a.at(row, j) * self.b.at(j, col)).sum();
            let off = (self.c.at(row, col) - sum).abs();
            assert!(off < 1e-3, "element {row}, {col} is off by {off}");
        }
    }

    /// Median seconds of a product, after two that warm up.
    fn seconds(&mut self, least: f64) -> f64 {
        let (mut times, began) = (Vec::new(), Instant::now());
        for turn in 0.. {
            let start = Instant::now();
            self.run();
            if turn > 1 {
                times.push(start.elapsed().as_secs_f64());
            }
            if times.len() >= LEAST && began.elapsed().as_secs_f64() > least {
                break;
            }
        }
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    }
}

/// The number behind a flag.
fn flag(name: &str, default: f64) -> f64 {
    let words: Vec<String> = std::env::args().collect();
    match words.iter().position(|word| word == name) {
        Some(at) => {
            words.get(at + 1).and_then(|w| w.parse().ok()).unwrap_or_else(|| panic!("{name} takes a number"))
        }
        None => default,
    }
}

fn main() {
    let (threads, least) = (flag("--threads", 2.0) as usize, flag("--seconds", 1.0));
    let mut rows = Vec::new();
    for size in SIZES {
        let (m, n, k) = size;
        for form in ["NN", "NT", "TN"] {
            let mut product = Product::new(form, size, threads);
            let seconds = product.seconds(least);
            product.check();
            let rate = 2e-9 * (m * n * k) as f64 / seconds;
            rows.push(format!("\"{form} {m}x{k}->{n} float32\": {rate:.3}"));
        }
    }
    println!(r#"{{"peer": "gemm 0.19.0", "threads": {threads}, "gflops": {{{}}}}}"#, rows.join(", "));
}
