//! Parity cases and benches of `attention`.

use super::{Attention, record};
use crate::gpu::Recording;
use crate::kernels::Tuning;
use crate::kernels::case::{Bench, Case, values, wide};
use crate::kernels::given::{self, expect, input, output};
use crate::kernels::layout::cursor::Cursor;
use crate::kernels::layout::operand::Operand;
use crate::kernels::layout::starts::Starts;
use crate::kernels::tensor::rope::{Cache, Heads};
use crate::reference::attention::{Sizes, attention};

fn case(heads: Heads, past: usize, rows: usize, starts: Option<&[usize]>, tuning: &Tuning) -> Case {
    let (width, shared) = (heads.queries * heads.dim, heads.groups * heads.dim);
    let q = values(rows * width, 2.0, 1);
    let [k, v] = [2, 3].map(|salt| values((past + rows) * shared, 1.0, salt));
    let firsts = starts.map_or(vec![0; rows], <[usize]>::to_vec);
    let sizes = Sizes { heads: heads.queries, groups: heads.groups, dim: heads.dim };
    let expected = attention(&wide(&q), &wide(&k), &wide(&v), past, &firsts, sizes);
    let mut recording = Recording::default();
    let queries = input(&mut recording, "queries", &q, width, tuning);
    let cache = Cache {
        keys: input(&mut recording, "keys", &k, shared, tuning),
        values: input(&mut recording, "values", &v, shared, tuning),
    };
    let out = output("out", rows, width, tuning);
    let packed = starts.map_or("", |_| ", packed");
    let taken = Attention {
        queries: &queries,
        cache: &cache,
        out: &out,
        sums: None,
        starts: &given::starts(starts),
        cursor: &Cursor::at(rows, past),
        rows,
    };
    recording.extend(record(&taken, heads, tuning));
    expect(Case::new(format!("{rows} behind {past}, {heads:?}{packed}"), recording), &out, &expected)
}

pub fn cases(tuning: &Tuning) -> Vec<Case> {
    let heads = |queries, groups, dim| Heads { queries, groups, dim };
    let mut starts = vec![0; 30];
    starts[11..].fill(11);
    starts[12..].fill(12);
    starts[23..].fill(23);
    vec![
        case(heads(1, 1, 8), 0, 1, None, tuning),
        case(heads(4, 2, 16), 0, 19, None, tuning),
        case(heads(3, 1, 64), 0, 70, None, tuning),
        case(heads(2, 1, 24), 37, 9, None, tuning),
        case(heads(3, 3, 32), 200, 1, None, tuning),
        case(heads(2, 2, 64), 5, 3, None, tuning),
        case(heads(2, 1, 16), 0, 30, Some(&starts), tuning),
    ]
}

pub fn benches(tuning: &Tuning) -> Vec<Bench> {
    let heads = Heads { queries: 9, groups: 3, dim: 64 };
    let width = heads.queries * heads.dim;
    let bench = |past: usize, rows: usize| {
        let taken = Attention {
            queries: &Operand::new("queries", rows, width, tuning),
            cache: &Cache::new(past + rows, heads, tuning),
            out: &Operand::new("out", rows, width, tuning),
            sums: None,
            starts: &Starts::One,
            cursor: &Cursor::at(rows, past),
            rows,
        };
        let pairs = rows as f64 * (past as f64 + 0.5 * rows as f64);
        let kept = 2 * heads.groups * heads.dim * (past + rows);
        Bench {
            name: format!("{rows} behind {past}, 9 and 3 heads of 64"),
            recording: record(&taken, heads, tuning),
            flops: 4.0 * pairs * width as f64,
            bytes: 4.0 * (2 * rows * width + kept) as f64,
        }
    };
    vec![bench(0, 512), bench(511, 1)]
}
