//! Ten million normals from the device: moments, tails, the law itself, and independence where prompts rely on it.

use floe::gpu::{self, Buffer};
use floe::kernels::Tuning;
use floe::kernels::shared::normal;

const COUNT: usize = 2_500_000;

/// Draws 4 · COUNT normals; [COUNT][4].
fn draw(key: u32) -> Vec<[f32; 4]> {
    let engine = gpu::open("auto").unwrap_or_else(|e| panic!("{e}"));
    let (words, normals) = (Buffer::words("words", 4 * COUNT), Buffer::words("normals", 4 * COUNT));
    let recording = normal::record(key, COUNT, &words, &normals, &Tuning::of(engine.adapter()));
    engine.submit(&recording, 1).unwrap();
    engine.read(&normals).unwrap()
}

/// Φ(x), by Simpson's rule between the points of a fine grid: good to 1e-12, far below what the test resolves.
struct Phi(Vec<f64>);

const STEP: f64 = 1.0 / 512.0;

impl Phi {
    fn new() -> Self {
        let density = |x: f64| (-0.5 * x * x).exp() / std::f64::consts::TAU.sqrt();
        let mut table = vec![0.5];
        for i in 0..(9.0 / STEP) as usize {
            let x = i as f64 * STEP;
            let area = STEP / 6.0 * (density(x) + 4.0 * density(x + STEP / 2.0) + density(x + STEP));
            table.push(table[i] + area);
        }
        Phi(table)
    }

    fn at(&self, x: f64) -> f64 {
        let (i, rest) = ((x.abs() / STEP) as usize, (x.abs() / STEP).fract());
        let upper = if i + 1 >= self.0.len() { 1.0 } else { self.0[i] + rest * (self.0[i + 1] - self.0[i]) };
        if x < 0.0 { 1.0 - upper } else { upper }
    }
}

#[test]
fn ten_million_draws_follow_the_normal_law() {
    let draws = draw(0x0dd5eed);
    let mut all: Vec<f32> = draws.into_iter().flatten().collect();
    let n = all.len() as f64;
    assert_eq!(all.len(), 10_000_000);
    assert!(all.iter().all(|x| x.is_finite()));

    // Moments, within five standard errors of those of N(0, 1): E x^k has variance (m_2k - m_k²) / n.
    for (k, mean, variance) in
        [(1, 0.0, 1.0), (2, 1.0, 2.0), (3, 0.0, 15.0), (4, 3.0, 96.0), (5, 0.0, 945.0), (6, 15.0, 10170.0)]
    {
        let moment = all.iter().map(|&x| (x as f64).powi(k)).sum::<f64>() / n;
        let error = (moment - mean) / (variance / n).sqrt();
        assert!(error.abs() < 5.0, "moment {k}: {moment}, {error:.1} standard errors off");
    }

    // Tails on either side, within five standard deviations of the Poisson law.
    let phi = Phi::new();
    for threshold in [1.0, 2.0, 3.0, 4.0, 4.5, 5.0] {
        let expected = n * (1.0 - phi.at(threshold));
        let above = all.iter().filter(|&&x| x as f64 > threshold).count() as f64;
        let below = all.iter().filter(|&&x| (x as f64) < -threshold).count() as f64;
        for found in [above, below] {
            assert!(
                (found - expected).abs() < 5.0 * expected.sqrt().max(1.0),
                "|x| > {threshold}: {found}, {expected}"
            );
        }
    }
    let largest = all.iter().fold(0f32, |m, x| m.max(x.abs()));
    assert!((4.8..6.7).contains(&largest), "{largest}");

    // Kolmogorov-Smirnov: sqrt(n) D exceeds 1.95 with probability 0.001.
    all.sort_unstable_by(f32::total_cmp);
    let distance = all.iter().enumerate().fold(0f64, |d, (i, &x)| {
        let p = phi.at(x as f64);
        d.max((p - i as f64 / n).abs()).max((p - (i + 1) as f64 / n).abs())
    });
    assert!(distance * n.sqrt() < 1.95, "D = {distance}, sqrt(n) D = {}", distance * n.sqrt());
}

/// Two numbers of a draw that should have nothing to do with each other.
type Pair<'a> = Box<dyn Fn(usize) -> (f32, f32) + 'a>;

#[test]
fn draws_are_independent_across_words_counters_and_keys() {
    let (a, b) = (draw(1), draw(2));
    let n = COUNT as f64;
    let correlation = |f: &dyn Fn(usize) -> (f32, f32)| {
        (0..COUNT).map(f).map(|(x, y)| x as f64 * y as f64).sum::<f64>() / n.sqrt()
    };
    let squares = |f: &dyn Fn(usize) -> (f32, f32)| {
        let z = |x: f32| (x as f64 * x as f64 - 1.0) / 2f64.sqrt();
        (0..COUNT).map(f).map(|(x, y)| z(x) * z(y)).sum::<f64>() / n.sqrt()
    };
    let mut checks: Vec<(String, Pair)> = Vec::new();
    for i in 0..4 {
        for j in 0..4 {
            let (a, b) = (&a, &b);
            if i < j {
                checks.push((format!("words {i}, {j}"), Box::new(move |c| (a[c][i], a[c][j]))));
            }
            for lag in [1, 2, 8, 64, 1024] {
                checks.push((
                    format!("words {i}, {j} at lag {lag}"),
                    Box::new(move |c| (a[c][i], a[(c + lag) % COUNT][j])),
                ));
            }
            checks.push((
                format!("words {i}, {j} of neighbouring keys"),
                Box::new(move |c| (a[c][i], b[c][j])),
            ));
        }
    }
    for (name, pair) in &checks {
        // About a hundred checks: five standard errors leave one false alarm in ten thousand runs of other keys.
        assert!(correlation(pair).abs() < 5.0, "{name}: {}", correlation(pair));
        assert!(squares(pair).abs() < 5.5, "{name}, squares: {}", squares(pair));
    }
}
