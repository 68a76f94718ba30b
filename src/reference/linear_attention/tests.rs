//! The three forms agree, and the gradient is what finite differences say.

use super::*;
use crate::random::rng::normals;

/// Numbers of a sequence: a mixer's, with keys of unit length where the delta rule asks for it.
#[derive(Clone)]
struct Given {
    sizes: Sizes,
    q: Vec<f64>,
    k: Vec<f64>,
    v: Vec<f64>,
    decay: Option<Vec<f64>>,
    beta: Option<Vec<f64>>,
    initial: Option<Vec<f64>>,
    mean: bool,
}

fn given(sizes: Sizes, tokens: usize, [decay, delta, initial, mean]: [bool; 4]) -> Given {
    let Sizes { heads, groups, keys, values } = sizes;
    let mut k = normals(2, 0, 0, 7, tokens * groups * keys);
    if delta {
        for key in k.chunks_mut(keys) {
            let length = dot(key, key).sqrt();
            key.iter_mut().for_each(|x| *x /= length);
        }
    }
    let gates = |salt: u32| normals(salt, 0, 0, 7, tokens * heads);
    Given {
        sizes,
        q: normals(1, 0, 0, 7, tokens * heads * keys),
        k,
        v: normals(3, 0, 0, 7, tokens * groups * values),
        decay: decay.then(|| gates(4).iter().map(|x| -(1.0 + x.exp()).ln() / 4.0).collect()),
        beta: delta.then(|| gates(5).iter().map(|x| 1.0 / (1.0 + (-x).exp())).collect()),
        initial: initial.then(|| normals(6, 0, 0, 7, heads * keys * values)),
        mean,
    }
}

impl Given {
    fn sequence(&self) -> Sequence<'_> {
        Sequence {
            sizes: self.sizes,
            q: &self.q,
            k: &self.k,
            v: &self.v,
            decay: self.decay.as_deref(),
            beta: self.beta.as_deref(),
            initial: self.initial.as_deref(),
            scale: 0.5,
            mean: self.mean,
        }
    }
}

const TOKENS: [usize; 6] = [1, 2, 63, 64, 65, 130];
const KINDS: [[bool; 4]; 6] = [
    [false, false, false, true],
    [false, false, true, false],
    [true, false, true, false],
    [true, false, false, true],
    [false, true, true, false],
    [true, true, true, false],
];

fn near(what: &str, found: &[f64], expected: &[f64], bound: f64) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let scale = expected.iter().fold(1.0f64, |most, x| most.max(x.abs()));
    for (f, e) in found.iter().zip(expected) {
        assert!((f - e).abs() <= bound * scale, "{what}: {f} {e}");
    }
}

#[test]
fn three_forms_agree_to_ten_digits() {
    let sizes = Sizes { heads: 4, groups: 2, keys: 6, values: 5 };
    for tokens in TOKENS {
        for kind in KINDS {
            let given = given(sizes, tokens, kind);
            let first = recurrent(&given.sequence());
            let what = format!("{tokens} tokens, {kind:?}");
            for (form, other) in [
                ("quadratic", quadratic(&given.sequence())),
                ("chunked", chunked(&given.sequence(), 64)),
                ("chunked by 16", chunked(&given.sequence(), 16)),
            ] {
                near(&format!("{form}, {what}"), &other.out, &first.out, 1e-10);
                near(&format!("{form}'s state, {what}"), &other.state, &first.state, 1e-10);
            }
        }
    }
}

#[test]
fn a_decay_to_nothing_forgets_and_makes_no_nan() {
    let mut given = given(Sizes { heads: 1, groups: 1, keys: 3, values: 2 }, 70, [true, true, true, false]);
    given.decay.as_mut().expect("decays")[40] = -1e4;
    let first = recurrent(&given.sequence());
    assert!(first.out.iter().chain(&first.state).all(|x| x.is_finite()));
    near("chunked", &chunked(&given.sequence(), 64).out, &first.out, 1e-10);
    // What came before is forgotten: tokens from there on alone give the same.
    let from = |all: &[f64], width: usize| all[40 * width..].to_vec();
    let (q, k, v) = (from(&given.q, 3), from(&given.k, 3), from(&given.v, 2));
    let (decay, beta) = (from(given.decay.as_ref().unwrap(), 1), from(given.beta.as_ref().unwrap(), 1));
    let rest = Sequence {
        q: &q,
        k: &k,
        v: &v,
        decay: Some(&decay),
        beta: Some(&beta),
        initial: None,
        ..given.sequence()
    };
    near("the rest", &recurrent(&rest).out, &first.out[40 * 2..], 1e-14);
}

#[test]
fn gradients_are_the_slopes_of_finite_differences() {
    let sizes = Sizes { heads: 2, groups: 1, keys: 3, values: 2 };
    for tokens in TOKENS {
        for kind in KINDS {
            let given = given(sizes, tokens, kind);
            let dout = normals(8, 0, 0, 7, tokens * 4);
            let dstate = normals(9, 0, 0, 7, 2 * 6);
            let found = backward(&given.sequence(), &dout, &dstate);
            let loss = |given: &Given| {
                let came = recurrent(&given.sequence());
                dot(&came.out, &dout) + dot(&came.state, &dstate)
            };
            let with = |at: usize, x: Vec<f64>| {
                let mut all = given.clone();
                match at {
                    0 => all.q = x,
                    1 => all.k = x,
                    2 => all.v = x,
                    3 => all.decay = Some(x),
                    4 => all.beta = Some(x),
                    _ => all.initial = Some(x),
                }
                all
            };
            let slopes = |at: usize, x: &[f64], gradient: &[f64]| {
                // Some of many, so that the whole takes seconds.
                for i in (0..x.len()).step_by((x.len() / 24).max(1)) {
                    let (mut up, mut down, step) = (x.to_vec(), x.to_vec(), 1e-5);
                    (up[i], down[i]) = (x[i] + step, x[i] - step);
                    let slope = (loss(&with(at, up)) - loss(&with(at, down))) / (2.0 * step);
                    let name = ["q", "k", "v", "decay", "beta", "first state"][at];
                    assert!(
                        (slope - gradient[i]).abs() < 2e-6 * (1.0 + slope.abs()),
                        "{name} {i}, {tokens} tokens, {kind:?}: {slope} {}",
                        gradient[i]
                    );
                }
            };
            slopes(0, &given.q, &found.q);
            slopes(1, &given.k, &found.k);
            slopes(2, &given.v, &found.v);
            if let Some(decay) = &given.decay {
                slopes(3, decay, &found.decay);
            }
            if let Some(beta) = &given.beta {
                slopes(4, beta, &found.beta);
            }
            slopes(5, &given.initial.clone().unwrap_or(vec![0.0; 2 * 6]), &found.initial);
        }
    }
}
