//! Second moments drawn from their own law are those of demonstrations: Wishart moments, chi distributions and
//! independence of what the device draws, squared errors and gradients like those of drawn demonstrations, exact risks.

use floe::config::{Loss, Theta};
use floe::gpu::{self, Buffer, Engine};
use floe::kernels::Tuning;
use floe::kernels::prompt::{Source, prompt_moments, prompt_step};
use floe::prompt::law::{Law, Pool, Regression, Tables, ThetaLaw};
use floe::prompt::shape::{GradLayout, Models, Shape};
use floe::theory::{self, Head, Setting};

const PROMPTS: usize = 200_000;

fn open() -> (Engine, Tuning) {
    let engine = gpu::open("auto").unwrap_or_else(|e| panic!("{e}"));
    let tuning = Tuning { subgroup: 1, moments: true, ..Tuning::of(engine.adapter()) };
    (engine, tuning)
}

fn regression(key: u32, dim: usize, theta: ThetaLaw) -> Regression {
    Regression { key, dim, noise: 0.4, theta, factor: None, pool: None }
}

/// Sum m [p] and scatter about the mean W [p, p] of the vectors (x, ε) ~ N(0, I) of each prompt.
fn drawn(dim: usize, shots: usize, key: u32) -> Vec<(Vec<f64>, Vec<f64>)> {
    let (engine, tuning) = open();
    // With θ = 0 and unit noise a demonstration is (1, x, ε).
    let law =
        Law::Regression(Regression { noise: 1.0, ..regression(key, dim, ThetaLaw::Fixed(vec![0.0; dim])) });
    let source = Source::new(&law);
    assert!(source.by_moments(shots, &tuning));
    let (width, p, n) = (dim + 2, dim + 1, shots as f64);
    let (state, moments) =
        (Buffer::holding("state", &[3u32]), Buffer::words("moments", PROMPTS * width * width));
    let recording = prompt_moments::record(&source, shots, PROMPTS, &state, &moments, &tuning);
    engine.submit(&recording, 1).unwrap();
    let words: Vec<f32> = engine.read(&moments).unwrap();
    let of = |g: &[f32]| {
        let at = |a: usize, b: usize| n * g[a.min(b) * width + a.max(b)] as f64;
        let m: Vec<f64> = (1..width).map(|a| at(0, a)).collect();
        let w = (0..p * p).map(|i| at(1 + i / p, 1 + i % p) - m[i / p] * m[i % p] / n).collect();
        assert!((at(0, 0) - n).abs() < 1e-4);
        (m, w)
    };
    words.chunks(width * width).take(PROMPTS).map(of).collect()
}

/// Mean of the numbers, and how many of its standard errors it is from `expected`.
fn away(numbers: impl Iterator<Item = f64> + Clone, expected: f64) -> f64 {
    let (mut sum, mut square, mut n) = (0.0, 0.0, 0.0);
    for x in numbers {
        (sum, square, n) = (sum + (x - expected), square + (x - expected).powi(2), n + 1.0);
    }
    let mean: f64 = sum / n;
    mean / ((square / n - mean * mean) / n).sqrt()
}

#[test]
fn first_and_second_moments_are_the_wisharts() {
    let (dim, shots) = (3, 12);
    let (p, n) = (dim + 1, shots as f64);
    let all = drawn(dim, shots, 21);
    let unit = |a: usize, b: usize| (a == b) as u32 as f64;
    let entries: Vec<(usize, usize)> = (0..p).flat_map(|a| (a..p).map(move |b| (a, b))).collect();
    // The sum of squares S = W + m mᵀ/n is Wishart with n degrees of freedom, W with n − 1.
    for (dof, whole) in [(n - 1.0, 0.0), (n, 1.0)] {
        let s =
            |d: &(Vec<f64>, Vec<f64>), (a, b): (usize, usize)| d.1[a * p + b] + whole * d.0[a] * d.0[b] / n;
        for &(a, b) in &entries {
            let off = away(all.iter().map(|d| s(d, (a, b))), dof * unit(a, b));
            assert!(off.abs() < 5.0, "mean of entry {a}, {b} at {dof} degrees: {off} standard errors");
            for &(c, d) in &entries {
                let covariance = dof * (unit(a, c) * unit(b, d) + unit(a, d) * unit(b, c));
                let (first, second) = (dof * unit(a, b), dof * unit(c, d));
                let product = all.iter().map(|x| (s(x, (a, b)) - first) * (s(x, (c, d)) - second));
                let off = away(product, covariance);
                assert!(off.abs() < 5.0, "covariance of {a}, {b} and {c}, {d} at {dof}: {off}");
            }
        }
    }
    for a in 0..p {
        assert!(away(all.iter().map(|d| d.0[a]), 0.0).abs() < 5.0);
        for b in 0..p {
            assert!(away(all.iter().map(|d| d.0[a] * d.0[b]), n * unit(a, b)).abs() < 5.0);
            // The sum is independent of the scatter: first and second powers do not correlate.
            for &(c, e) in &entries {
                let w = |d: &(Vec<f64>, Vec<f64>)| d.1[c * p + e] - (n - 1.0) * unit(c, e);
                let first = away(all.iter().map(|d| d.0[a] * w(d)), 0.0);
                let second = away(all.iter().map(|d| (d.0[a] * d.0[b] - n * unit(a, b)) * w(d)), 0.0);
                assert!(first.abs() < 5.0 && second.abs() < 5.0, "{a}, {b}, {c}, {e}: {first}, {second}");
            }
        }
    }
}

/// P(χ_k ≤ r) by Simpson's rule on a grid, normalised by its own total.
struct Chi(Vec<f64>);

const STEP: f64 = 1.0 / 256.0;

impl Chi {
    fn new(k: usize) -> Self {
        let top = (k as f64 - 1.0).sqrt();
        let log = |r: f64| (k as f64 - 1.0) * r.ln() - 0.5 * r * r;
        let density = |r: f64| if r > 0.0 { (log(r) - log(top.max(0.5))).exp() } else { 0.0 };
        let mut sums = vec![0.0];
        for i in 0..((top + 10.0) / STEP) as usize {
            let r = i as f64 * STEP;
            sums.push(sums[i] + density(r) + 4.0 * density(r + STEP / 2.0) + density(r + STEP));
        }
        let total = sums[sums.len() - 1];
        Chi(sums.iter().map(|s| s / total).collect())
    }

    fn at(&self, r: f64) -> f64 {
        let (i, rest) = ((r / STEP) as usize, (r / STEP).fract());
        if i + 1 >= self.0.len() { 1.0 } else { self.0[i] + rest * (self.0[i + 1] - self.0[i]) }
    }
}

/// √n times the Kolmogorov–Smirnov distance, which exceeds 1.95 with probability 0.001.
fn distance(mut sample: Vec<f64>, law: impl Fn(f64) -> f64) -> f64 {
    sample.sort_unstable_by(f64::total_cmp);
    let n = sample.len() as f64;
    let far = sample.iter().enumerate().fold(0f64, |d, (i, &x)| {
        let p = law(x);
        d.max((p - i as f64 / n).abs()).max((p - (i + 1) as f64 / n).abs())
    });
    far * n.sqrt()
}

/// The same of two samples of one size.
fn distance2(mut a: Vec<f64>, mut b: Vec<f64>) -> f64 {
    assert_eq!(a.len(), b.len());
    a.sort_unstable_by(f64::total_cmp);
    b.sort_unstable_by(f64::total_cmp);
    let (n, mut j, mut far) = (a.len() as f64, 0, 0f64);
    for (i, x) in a.iter().enumerate() {
        while j < b.len() && b[j] < *x {
            j += 1;
        }
        far = far.max((i as f64 - j as f64).abs() / n);
    }
    far * (n / 2.0).sqrt()
}

#[test]
fn the_scatters_triangle_is_bartletts() {
    for (dim, shots, key) in [(5, 20, 31), (3, 8, 32), (2, 60, 33)] {
        let p = dim + 1;
        let triangles: Vec<Vec<f64>> =
            drawn(dim, shots, key).into_iter().map(|(_, w)| factor(w, p)).collect();
        let normal = Chi::new(1);
        for i in 0..p {
            let chi = Chi::new(shots - 1 - i);
            let far = distance(triangles.iter().map(|a| a[i * p + i]).collect(), |r| chi.at(r));
            assert!(far < 1.95, "chi_{} of {shots} shots: sqrt(n) D = {far}", shots - 1 - i);
            for j in 0..i {
                let phi = |x: f64| 0.5 + 0.5 * normal.at(x.abs()).copysign(x);
                let far = distance(triangles.iter().map(|a| a[i * p + j]).collect(), phi);
                assert!(far < 1.95, "entry {i}, {j} of {shots} shots: sqrt(n) D = {far}");
            }
        }
        // Any two entries of the triangle, and squares of any two, do not correlate.
        let places: Vec<usize> = (0..p * p).filter(|at| at % p <= at / p).collect();
        for (x, &first) in places.iter().enumerate() {
            for &second in &places[..x] {
                let centre = |at: usize| triangles.iter().map(|a| a[at]).sum::<f64>() / PROMPTS as f64;
                let (c, d) = (centre(first), centre(second));
                let off = away(triangles.iter().map(|a| (a[first] - c) * (a[second] - d)), 0.0);
                assert!(off.abs() < 5.0, "{first}, {second} of {shots} shots: {off}");
            }
        }
    }
}

/// Lower Cholesky factor of `w` [p, p].
fn factor(mut w: Vec<f64>, p: usize) -> Vec<f64> {
    for j in 0..p {
        for i in j..p {
            let rest = w[i * p + j] - (0..j).map(|k| w[i * p + k] * w[j * p + k]).sum::<f64>();
            w[i * p + j] = if i == j { rest.sqrt() } else { rest / w[j * p + j] };
        }
    }
    w
}

/// Gradient and few-shot loss of `weights` over a batch: [entries + 2][lanes], sums over each lane's prompts.
fn step(
    law: &Regression,
    shots: usize,
    weights: &[f32],
    trained: bool,
    lanes: usize,
    batch: usize,
    moments: bool,
) -> Vec<Vec<f64>> {
    let (engine, tuning) = open();
    let tuning = Tuning { moments, ..tuning };
    let source = Source::new(&Law::Regression(law.clone()));
    assert_eq!(source.by_moments(shots, &tuning), moments);
    let shape = Shape { layers: 1, heads: 1, dim: law.dim };
    let layout = GradLayout::new(shape, vec![trained], vec![trained]);
    let rows = layout.entries + 2;
    let partials = Buffer::words("partials", rows * lanes);
    let step = prompt_step::Step { layout, shots, batch, loss: Loss::Fs, models: Models::ONE };
    let buffers = prompt_step::Buffers {
        weights: &Buffer::holding("weights", weights),
        state: &Buffer::holding("state", &[0u32]),
        schedule: &Buffer::holding("schedule", &[0.0f32, 1.0, 0.0, 0.0]),
        partials: &partials,
    };
    engine.submit(&prompt_step::record(&source, &step, &buffers, lanes, &tuning), 1).unwrap();
    let words: Vec<f32> = engine.read(&partials).unwrap();
    words[..rows * lanes].chunks(lanes).map(|row| row.iter().map(|&x| x as f64).collect()).collect()
}

/// Weights V | QK of one layer with one head, in whole vec4.
fn weights(dim: usize) -> Vec<f32> {
    let square = (dim + 2) * (dim + 2);
    let mut out: Vec<f32> = (0..2 * square).map(|i| ((i * 37 % 23) as f32 - 11.0) * 0.03).collect();
    out.resize(out.len().next_multiple_of(4), 0.0);
    out
}

fn skewed(dim: usize) -> Option<Vec<f32>> {
    Some((0..dim * dim).map(|i| if i % dim <= i / dim { 0.9 - 0.05 * i as f32 } else { 0.0 }).collect())
}

#[test]
fn errors_and_gradients_are_distributed_as_those_of_demonstrations() {
    for (dim, shots, theta, factor) in [
        (5, 20, ThetaLaw::Sphere, None),
        (3, 8, ThetaLaw::Gaussian, skewed(3)),
        (2, 11, ThetaLaw::Fixed(vec![0.8, -0.6]), None),
    ] {
        let law = |key| Regression { factor: factor.clone(), ..regression(key, dim, theta.clone()) };
        let weights = weights(dim);
        let of = |key, moments| step(&law(key), shots, &weights, true, PROMPTS, PROMPTS, moments);
        let (together, apart) = (of(41, true), of(42, false));
        let (width, loss) = (dim + 2, together.len() - 1);
        // Of v its first, second and last entry, two of the query-key matrix, the loss.
        for row in [0, 1, width - 1, 2 * width - 1, width + dim * width + 2, loss] {
            let far = distance2(together[row].clone(), apart[row].clone());
            assert!(far < 1.95, "d = {dim}, {shots} shots, row {row}: {far}");
        }
    }
}

#[test]
fn mean_errors_are_the_exact_risks() {
    let batch = 1 << 20;
    for (dim, shots, theta, factor) in [
        (5, 20, ThetaLaw::Sphere, None),
        (5, 10, ThetaLaw::Gaussian, skewed(5)),
        (3, 31, ThetaLaw::Sphere, skewed(3)),
        (2, 9, ThetaLaw::Fixed(vec![0.75, -0.5]), skewed(2)),
    ] {
        let law = Regression { factor: factor.clone(), ..regression(51, dim, theta.clone()) };
        let (weights, width) = (weights(dim), dim + 2);
        let wide =
            |range: std::ops::Range<usize>| weights[range].iter().map(|&w| w as f64).collect::<Vec<_>>();
        let head =
            Head { v: wide(width * (width - 1)..width * width), m: wide(width * width..2 * width * width) };
        let f =
            |i: usize, j: usize| factor.as_ref().map_or((i == j) as u32 as f64, |f| f[i * dim + j] as f64);
        let covariance =
            (0..dim * dim).map(|at| (0..dim).map(|k| f(at / dim, k) * f(at % dim, k)).sum()).collect();
        let setting = Setting::new(dim, (law.noise as f64).powi(2), covariance).unwrap();
        let exact = match &theta {
            ThetaLaw::Fixed(theta) => {
                theory::risk(&setting, &head, &theta.iter().map(|&t| t as f64).collect::<Vec<_>>(), &[shots])
                    [0]
            }
            ThetaLaw::Sphere => theory::risk_fresh(&setting, &head, Theta::Sphere, &[shots])[0],
            ThetaLaw::Gaussian => theory::risk_fresh(&setting, &head, Theta::Gaussian, &[shots])[0],
        };
        let lanes = batch / 16;
        let rows = step(&law, shots, &weights, false, lanes, batch, true);
        let off = away(rows[1].iter().map(|sum| sum / 16.0), exact);
        assert!(off.abs() < 4.0, "d = {dim}, {shots} shots: {off} standard errors from {exact}");
    }
}

#[test]
fn only_enough_gaussian_demonstrations_of_narrow_models_are_drawn_together() {
    let (_, tuning) = open();
    let law = regression(1, 5, ThetaLaw::Sphere);
    let by = |law: &Regression, shots, tuning: &Tuning| {
        Source::new(&Law::Regression(law.clone())).by_moments(shots, tuning)
    };
    assert!(by(&law, 10, &tuning) && !by(&law, 9, &tuning) && !by(&law, 0, &tuning));
    assert!(by(&Regression { factor: skewed(5), ..law.clone() }, 20, &tuning));
    assert!(by(&regression(1, 8, ThetaLaw::Gaussian), 20, &tuning));
    assert!(!by(&regression(1, 9, ThetaLaw::Gaussian), 20, &tuning));
    assert!(!by(&Regression { pool: Some(Pool { key: 2, size: 100 }), ..law.clone() }, 20, &tuning));
    assert!(!by(&law, 20, &Tuning { moments: false, ..tuning }));
    let rows = std::sync::Arc::new(vec![0.0; 60]);
    let table = Tables { key: 1, dim: 1, rows, groups: vec![[0, 30]], replacement: true };
    assert!(!Source::new(&Law::Tables(table)).by_moments(20, &tuning));
}
