//! Parity cases and benches of `rope`.

use super::{Cache, Heads, Rope, record, turns};
use crate::gpu::{Buffer, Recording};
use crate::kernels::Tuning;
use crate::kernels::case::{Bench, Case, values, wide};
use crate::kernels::given::{self, expect, input, output};
use crate::kernels::layout::cursor::Cursor;
use crate::kernels::layout::operand::Operand;
use crate::kernels::layout::starts::Starts;
use crate::reference::layers::rope;

const THETA: f64 = 1e4;

fn case(heads: Heads, rows: usize, starts: Option<&[usize]>, tuning: &Tuning) -> Case {
    let (wide_, shared) = (heads.queries * heads.dim, heads.groups * heads.dim);
    let (q, k, v) =
        (values(rows * wide_, 1.0, 1), values(rows * shared, 1.0, 2), values(rows * shared, 1.0, 3));
    let positions: Vec<usize> = (0..rows).map(|t| t - starts.map_or(0, |s| s[t])).collect();
    let cache =
        Cache { keys: output("keys", rows, shared, tuning), values: output("values", rows, shared, tuning) };
    let queries = output("queries", rows, wide_, tuning);
    let mut recording = Recording::default();
    let taken = Rope {
        q: &input(&mut recording, "q", &q, wide_, tuning),
        k: &input(&mut recording, "k", &k, shared, tuning),
        v: &input(&mut recording, "v", &v, shared, tuning),
        turns: &Buffer::holding("turns", &turns(rows, heads.dim, THETA)),
        queries: &queries,
        cache: &cache,
        starts: &given::starts(starts),
        cursor: &Cursor::at(rows, 0),
        behind: true,
    };
    recording.extend(record(&taken, heads, tuning));
    let packed = if starts.is_some() { ", packed" } else { "" };
    let turned = |x: &[f32]| rope(&wide(x), &positions, heads.dim, THETA);
    let case = Case::new(format!("{rows} rows of {heads:?}{packed}"), recording);
    let case = expect(case, &queries, &turned(&q));
    let case = expect(case, &cache.keys, &turned(&k));
    expect(case, &cache.values, &wide(&v))
}

pub fn cases(tuning: &Tuning) -> Vec<Case> {
    let heads = |queries, groups, dim| Heads { queries, groups, dim };
    vec![
        case(heads(1, 1, 8), 3, None, tuning),
        case(heads(6, 2, 24), 13, None, tuning),
        case(heads(3, 1, 64), 7, Some(&[0, 0, 0, 3, 3, 5, 5]), tuning),
    ]
}

pub fn benches(tuning: &Tuning) -> Vec<Bench> {
    let (rows, heads) = (512, Heads { queries: 9, groups: 3, dim: 64 });
    let (width, shared) = (heads.queries * heads.dim, heads.groups * heads.dim);
    let taken = Rope {
        q: &Operand::new("q", rows, width, tuning),
        k: &Operand::new("k", rows, shared, tuning),
        v: &Operand::new("v", rows, shared, tuning),
        turns: &Buffer::words("turns", rows * heads.dim),
        queries: &Operand::new("queries", rows, width, tuning),
        cache: &Cache::new(rows, heads, tuning),
        starts: &Starts::One,
        cursor: &Cursor::at(rows, 0),
        behind: true,
    };
    let size = (rows * (width + 2 * shared)) as f64;
    let recording = record(&taken, heads, tuning);
    vec![Bench {
        name: format!("{rows} rows of 9 and 3 heads"),
        recording,
        flops: 3.0 * size,
        bytes: 8.0 * size,
    }]
}
