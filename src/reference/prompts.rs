//! Prompts drawn on the host in f64, from the integers the device draws.

use crate::prompt::chi;
use crate::prompt::law::{Law, Regression, Tables, ThetaLaw};
use crate::random::rng;

/// What a prompt's random numbers stand for. In law the demonstrations are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drawn {
    /// One demonstration after another.
    Tokens,
    /// The second moments of all of them: some demonstrations that have these (docs/MATH.md).
    Moments,
}

/// Prompt number `prompt` of step `step`: tokens [n + 1, D], query last with y = 0, and the query's y.
pub fn draw(law: &Law, prompt: u32, step: u32, shots: usize, drawn: Drawn) -> (Vec<f64>, f64) {
    let pairs = match law {
        Law::Regression(r) => regression(r, prompt, step, shots, drawn),
        Law::Tables(t) => tables(t, prompt, step, shots),
        Law::Own(o) => o.law.draw(prompt, step, o.key, shots),
    };
    let mut tokens = Vec::new();
    for (x, y) in &pairs[1..] {
        tokens.push(1.0);
        tokens.extend(x);
        tokens.push(*y);
    }
    tokens.push(1.0);
    tokens.extend(&pairs[0].0);
    tokens.push(0.0);
    (tokens, pairs[0].1)
}

type Pair = (Vec<f64>, f64);

/// The query's pair, then the demonstrations'.
fn regression(law: &Regression, prompt: u32, step: u32, shots: usize, drawn: Drawn) -> Vec<Pair> {
    let (d, draws) = (law.dim, law.dim + 1);
    let theta: Vec<f64> = match &law.theta {
        ThetaLaw::Fixed(theta) => theta.iter().map(|&t| t as f64).collect(),
        other => {
            let mut g = rng::normals(0, prompt, step, law.key, draws);
            g.truncate(d);
            let norm = g.iter().map(|x| x * x).sum::<f64>().sqrt();
            let scale = if matches!(other, ThetaLaw::Sphere) { 1.0 / norm } else { 1.0 };
            g.iter().map(|x| x * scale).collect()
        }
    };
    let mut pairs = Vec::new();
    let together = match drawn {
        Drawn::Tokens => Vec::new(),
        Drawn::Moments => gaussians(law, prompt, step, shots),
    };
    for slot in 0..=shots as u32 {
        let g = match law.pool {
            None if slot > 0 && drawn == Drawn::Moments => together[slot as usize - 1].clone(),
            Some(pool) => {
                let word = rng::pcg4d([slot, prompt, step, law.key])[0];
                rng::normals(0, rng::below(word, pool.size), 0, pool.key, draws)
            }
            None => rng::normals(slot + 1, prompt, step, law.key, draws),
        };
        let x: Vec<f64> = match &law.factor {
            None => g[..d].to_vec(),
            Some(f) => (0..d).map(|i| (0..=i).map(|j| f[i * d + j] as f64 * g[j]).sum()).collect(),
        };
        let y = theta.iter().zip(&x).map(|(t, x)| t * x).sum::<f64>() + law.noise as f64 * g[d];
        pairs.push((x, y));
    }
    pairs
}

/// Vectors (x, ε) of all demonstrations, [n][p], before Σ and σ, with the sum √n u and the scatter A Aᵀ about their mean.
///
/// They are u/√n + Σ_c H_c A_c: A_c column c of A, H_c that of Helmert's orthonormal columns, each orthogonal to 1.
fn gaussians(law: &Regression, prompt: u32, step: u32, shots: usize) -> Vec<Vec<f64>> {
    let p = law.dim + 1;
    let behind_query = 2 * p.div_ceil(4) as u32;
    let mut normals = (behind_query..).flat_map(|block| rng::normals4([block, prompt, step, law.key]));
    let mut next = || normals.next().expect("there is no end of them");
    let u: Vec<f64> = (0..p).map(|_| next()).collect();
    let n = shots as f64;
    let mut all = vec![u.iter().map(|u| u / n.sqrt()).collect::<Vec<_>>(); shots];
    for c in 0..p {
        let mut column = vec![0.0; p];
        column[c] = chi::quantile(shots - 1 - c, next());
        column[c + 1..].iter_mut().for_each(|a| *a = next());
        let scale = 1.0 / (((c + 1) * (c + 2)) as f64).sqrt();
        for (i, g) in all.iter_mut().enumerate().take(c + 2) {
            let helmert = if i <= c { scale } else { -(c as f64 + 1.0) * scale };
            g.iter_mut().zip(&column).for_each(|(g, a)| *g += helmert * a);
        }
    }
    all
}

fn tables(law: &Tables, prompt: u32, step: u32, shots: usize) -> Vec<Pair> {
    let row = |i: u32| {
        let row = &law.rows[i as usize * (law.dim + 1)..][..law.dim + 1];
        (row[..law.dim].iter().map(|&x| x as f64).collect(), row[law.dim] as f64)
    };
    law.rows_of(prompt, step, shots).into_iter().map(row).collect()
}
