//! Parity cases and benches of `matmul`.

use super::{Cut, Form, Plus, Product, TILES, record, takes_two};
use crate::gpu::{Buffer, DType, Recording};
use crate::kernels::Tuning;
use crate::kernels::case::{Bench, Case, values, wide};
use crate::kernels::given::{expect, held, input, output};
use crate::kernels::layout::cursor::Cursor;
use crate::kernels::layout::operand::{Operand, Rows};
use crate::kernels::layout::weight::halves;
use crate::reference::matmul::matmul;
use half::f16;

/// What a case has beside sizes.
#[derive(Clone, Copy, Default)]
pub struct Extras {
    /// A bias.
    pub bias: bool,
    /// The product is added to what `c` holds.
    pub add: bool,
    /// The product is added to another matrix.
    pub plus: bool,
    /// Rows fewer than there may be.
    pub fewer: usize,
    /// Rows of `a` and `b` fewer than there may be.
    pub shallow: usize,
    /// What the product is multiplied by, less 1.
    pub more: f32,
    /// `a`, `b` are kept in half precision.
    pub half: [bool; 2],
}

/// A product of normal numbers, with its reference.
pub fn case(name: String, form: Form, [m, n, k]: [usize; 3], extras: Extras, tuning: &Tuning) -> Case {
    let (mut a, mut b) = (values(m * k, 1.0, 1), values(n * k, 1.0, 2));
    // What is rounded is not the product's to be right about.
    for (values, half) in [&mut a, &mut b].into_iter().zip(extras.half) {
        if half || tuning.matrices {
            values.iter_mut().for_each(|x| *x = f16::from_f32(*x).to_f32());
        }
    }
    let (was, bias) = (values(m * n, 1.0, 3), values(n, 1.0, 4));
    let there = k - extras.shallow;
    let (some_a, some_b) = match form {
        Form::Tn => (&a[..there * m], &b[..there * n]),
        _ => (&a[..], &b[..]),
    };
    let mut expected = matmul(form, &wide(some_a), &wide(some_b), [m, n, there]);
    for (i, x) in expected.iter_mut().enumerate() {
        let bias = if extras.bias { bias[i % n] as f64 } else { 0.0 };
        let was = if extras.add || extras.plus { was[i] as f64 } else { 0.0 };
        *x = *x * (1.0 + f64::from(extras.more)) + bias + was;
    }
    expected.truncate((m - extras.fewer) * n);
    let mut recording = Recording::default();
    let mut operand = |label, data: &[f32], cols, half| match half {
        true => Operand::Rows(halved(label, data, cols)),
        false => input(&mut recording, label, data, cols, tuning),
    };
    let a = operand("a", &a, if form == Form::Tn { m } else { k }, extras.half[0]);
    let b = operand("b", &b, if form == Form::Nt { k } else { n }, extras.half[1]);
    let c = match extras.add {
        true => Operand::Rows(held("c", &was, n)),
        false => output("c", m, n, tuning),
    };
    let other = input(&mut recording, "other", &was, n, tuning);
    let bias = Buffer::holding("bias", &[&bias[..], &[0.0; 3]].concat()).view(DType::F32);
    let (cursor, depth) = (Cursor::at(m - extras.fewer, 7), Cursor::at(there, 7));
    let product = Product {
        form,
        a: &a,
        b: &b,
        c: &c,
        bias: extras.bias.then_some(&bias),
        plus: match (extras.add, extras.plus) {
            (true, _) => Plus::Itself,
            (_, true) => Plus::Other(&other),
            _ => Plus::Nothing,
        },
        cursor: (extras.fewer > 0).then_some(&cursor),
        depth: (extras.shallow > 0).then_some(&depth),
        scale: 1.0 + extras.more,
        ..Product::nt(&a, &b, &c)
    };
    recording.extend(record(&product, tuning));
    expect(Case::new(name, recording), &c, &expected)
}

/// Two products in one launch.
fn two(name: String, form: Form, [m, n, k, r]: [usize; 4], tuning: &Tuning) -> Case {
    let mut recording = Recording::default();
    let mut expected = vec![0.0; m * n];
    let mut pair = |k: usize, salt: u32| {
        let (a, b) = (values(m * k, 1.0, salt), values(n * k, 1.0, salt + 1));
        let own = matmul(form, &wide(&a), &wide(&b), [m, n, k]);
        expected.iter_mut().zip(own).for_each(|(sum, own)| *sum += own);
        let cols = if form == Form::Nt { k } else { n };
        [input(&mut recording, "a", &a, k, tuning), input(&mut recording, "b", &b, cols, tuning)]
    };
    let ([a, b], [a2, b2]) = (pair(k, 1), pair(r, 3));
    let c = output("c", m, n, tuning);
    let product = Product { form, also: Some([&a2, &b2]), ..Product::nt(&a, &b, &c) };
    recording.extend(record(&product, tuning));
    expect(Case::new(name, recording), &c, &expected)
}

/// A matrix in a buffer in half precision.
fn halved(label: &'static str, data: &[f32], cols: usize) -> Rows {
    let rows = Rows::new(label, data.len() / cols, cols);
    let view = Buffer::holding(label, &halves(&rows.lay(data))).view(DType::F16);
    Rows { view, ..rows }
}

const FORMS: [(Form, &str); 3] = [(Form::Nn, "NN"), (Form::Nt, "NT"), (Form::Tn, "TN")];

pub(in crate::kernels) fn cases(tuning: &Tuning) -> Vec<Case> {
    let sizes = [[5, 3, 4], [17, 37, 20], [64, 65, 100], [33, 130, 68], [300, 33, 24]];
    let mut all = Vec::new();
    for (form, word) in FORMS {
        for size in sizes {
            let name = format!("{word} {size:?}");
            all.push(case(name, form, size, Extras::default(), tuning));
        }
    }
    for [m, k] in [[1, 72], [2, 36], [4, 100]] {
        let name = format!("NN {:?}", [m, 37, k]);
        all.push(case(name, Form::Nn, [m, 37, k], Extras::default(), tuning));
    }
    let none = Extras::default();
    for (what, extras) in [
        ("with a bias", Extras { bias: true, ..none }),
        ("added up", Extras { add: true, ..none }),
        ("plus another, with a bias", Extras { bias: true, plus: true, ..none }),
        ("times a number, plus another", Extras { more: 1.5, bias: true, plus: true, ..none }),
        ("of fewer rows", Extras { bias: true, fewer: 5, ..none }),
    ] {
        all.push(case(format!("NT [23, 41, 44] {what}"), Form::Nt, [23, 41, 44], extras, tuning));
    }
    if takes_two(tuning) {
        for (form, word) in [(Form::Nt, "NT"), (Form::Nn, "NN")] {
            for [m, n, k, r] in [[70, 41, 92, 5], [3, 37, 40, 8], [20, 33, 24, 17], [1, 5, 36, 4]] {
                all.push(two(format!("{word} [{m}, {n}, {k}] and of {r}"), form, [m, n, k, r], tuning));
            }
        }
    }
    for shallow in [3, 40] {
        let extras = Extras { shallow, ..none };
        all.push(case(
            format!("TN [70, 41, 92] of {shallow} rows fewer"),
            Form::Tn,
            [70, 41, 92],
            extras,
            tuning,
        ));
    }
    // In parts, each added to the ones before.
    for extras in [Extras { add: true, ..none }, Extras { add: true, shallow: 1500, ..none }] {
        let name = format!("TN [20, 37, 2500] in parts, {} rows fewer", extras.shallow);
        all.push(case(name, Form::Tn, [20, 37, 2500], extras, tuning));
    }
    if tuning.half {
        for (form, word) in FORMS {
            for (what, half) in [("a", [true, false]), ("b", [false, true]), ("a and b", [true; 2])] {
                let name = format!("{word} [70, 133, 36], {what} in f16");
                all.push(case(name, form, [70, 133, 36], Extras { half, bias: true, ..none }, tuning));
            }
        }
        // One row by one.
        let half = [false, true];
        all.push(case(
            "NT [2, 37, 100], b in f16".into(),
            Form::Nt,
            [2, 37, 100],
            Extras { half, ..none },
            tuning,
        ));
    }
    if tuning.matrices {
        for half in [[false, true], [true; 2]] {
            let name = format!("NT [129, 260, 68] by matrices of f16 {half:?}");
            all.push(case(name, Form::Nt, [129, 260, 68], Extras { half, ..none }, tuning));
        }
        for size in [[64, 128, 32], [129, 37, 68], [200, 300, 100], [128, 256, 512]] {
            let extras = Extras { plus: true, bias: true, ..none };
            all.push(case(format!("NT {size:?} by matrices"), Form::Nt, size, extras, tuning));
        }
    }
    // Other tiles are for other cards; each goes through parity once.
    if tuning.name == "gpu" {
        for (most, tile) in TILES.iter().enumerate() {
            let tuning = Tuning { cut: Cut { most, fill: 0 }, ..*tuning };
            for (form, word) in FORMS {
                let name = format!("{word} [70, 133, 36] in {}", tile.name);
                all.push(case(name, form, [70, 133, 36], Extras { plus: true, ..none }, &tuning));
            }
        }
    }
    all
}

/// Operands of a product of so many numbers, in buffers.
fn operands(form: Form, [m, n, k]: [usize; 3]) -> (Operand, Operand) {
    let operand = |label, rows, cols, salt| Operand::Rows(held(label, &values(rows * cols, 1.0, salt), cols));
    match form {
        Form::Nn => (operand("a", m, k, 1), operand("b", k, n, 2)),
        Form::Nt => (operand("a", m, k, 1), operand("b", n, k, 2)),
        Form::Tn => (operand("a", k, m, 1), operand("b", k, n, 2)),
    }
}

/// A product of so many numbers, copies to textures included where the variant makes them.
pub fn bench(form: Form, size: [usize; 3], tuning: &Tuning) -> Recording {
    let (a, b) = operands(form, size);
    let c = Operand::new("c", size[0], size[1], tuning);
    record(&Product { form, ..Product::nt(&a, &b, &c) }, tuning)
}

/// A linear layer's product in several ways, of the same numbers, for who times it.
pub fn linear(size: [usize; 3], tunings: &[Tuning]) -> Vec<Recording> {
    let (a, b) = operands(Form::Nt, size);
    let one = |tuning: &Tuning| {
        let c = Operand::new("c", size[0], size[1], tuning);
        record(&Product::nt(&a, &b, &c), tuning)
    };
    tunings.iter().map(one).collect()
}

fn timed(form: Form, word: &str, [m, n, k]: [usize; 3], tuning: &Tuning, tile: &str) -> Bench {
    Bench {
        name: format!("{word} {m}×{k}→{n}{tile}"),
        recording: bench(form, [m, n, k], tuning),
        flops: 2.0 * (m * n * k) as f64,
        bytes: 4.0 * (m * n + m * k + n * k) as f64,
    }
}

pub(in crate::kernels) fn benches(tuning: &Tuning) -> Vec<Bench> {
    let sizes = [[1024, 1024, 1024], [4096, 688, 256]];
    let mut all: Vec<Bench> = Vec::new();
    for (form, word) in FORMS {
        all.extend(sizes.iter().map(|size| timed(form, word, *size, tuning, "")));
    }
    if !crate::kernels::layout::operand::textured(tuning) && tuning.workgroup > 8 {
        if tuning.matrices {
            all.push(timed(Form::Nt, "NT", [4096, 4096, 4096], tuning, " by matrices"));
        }
        for (most, tile) in TILES.iter().enumerate() {
            let tuning = Tuning { cut: Cut { most, fill: 0 }, matrices: false, ..*tuning };
            all.push(timed(Form::Nt, "NT", [1024, 1024, 1024], &tuning, &format!(" in {}", tile.name)));
            all.push(timed(Form::Nt, "NT", [4096, 4096, 4096], &tuning, &format!(" in {}", tile.name)));
        }
    }
    all
}
