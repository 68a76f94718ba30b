//! Parity cases and benches of `attention_grad`, behind the forward pass whose sums it takes.

use super::{AttentionGrad, record};
use crate::gpu::{Buffer, Recording};
use crate::kernels::Tuning;
use crate::kernels::case::{Bench, Case, poisoned, values, wide};
use crate::kernels::given::{self, expect, input, output};
use crate::kernels::layout::cursor::Cursor;
use crate::kernels::layout::operand::Operand;
use crate::kernels::layout::starts::Starts;
use crate::kernels::tensor::attention::{self, Attention};
use crate::kernels::tensor::rope::{Cache, Heads};
use crate::reference;
use crate::reference::attention::Sizes;

fn case(heads: Heads, rows: usize, starts: Option<&[usize]>, tuning: &Tuning) -> Case {
    let (width, shared) = (heads.queries * heads.dim, heads.groups * heads.dim);
    let (q, d) = (values(rows * width, 2.0, 1), values(rows * width, 1.0, 2));
    let [k, v] = [3, 4].map(|salt| values(rows * shared, 1.0, salt));
    let firsts = starts.map_or(vec![0; rows], <[usize]>::to_vec);
    let sizes = Sizes { heads: heads.queries, groups: heads.groups, dim: heads.dim };
    let came = reference::attention::attention(&wide(&q), &wide(&k), &wide(&v), 0, &firsts, sizes);
    let wanted = reference::gradients::attention(&wide(&q), &wide(&k), &wide(&v), &firsts, sizes, &wide(&d));
    let mut recording = Recording::default();
    let queries = input(&mut recording, "queries", &q, width, tuning);
    let cache = Cache {
        keys: input(&mut recording, "keys", &k, shared, tuning),
        values: input(&mut recording, "values", &v, shared, tuning),
    };
    let dout = input(&mut recording, "dout", &d, width, tuning);
    let [out, dqueries] = ["out", "dqueries"].map(|label| output(label, rows, width, tuning));
    let [dkeys, dvalues] = ["dkeys", "dvalues"].map(|label| output(label, rows, shared, tuning));
    let [sums, dots] = ["sums", "dots"].map(|label| poisoned(label, rows * heads.queries));
    let packed = starts.map_or("", |_| ", packed");
    let starts = &given::starts(starts);
    let cursor = &Cursor::at(rows, 0);
    let taken =
        Attention { queries: &queries, cache: &cache, out: &out, sums: Some(&sums), starts, cursor, rows };
    recording.extend(attention::record(&taken, heads, tuning));
    let grad = AttentionGrad {
        queries: &queries,
        keys: &cache.keys,
        values: &cache.values,
        out: &out,
        sums: &sums,
        dout: &dout,
        dots: &dots,
        dqueries: &dqueries,
        dkeys: &dkeys,
        dvalues: &dvalues,
        starts,
        cursor,
    };
    recording.extend(record(&grad, heads, tuning));
    let case = Case::new(format!("{rows} rows of {heads:?}{packed}"), recording);
    let case = case.f32(&sums, wanted.sums).f32(&dots, wanted.dots);
    let case = expect(expect(case, &out, &came), &dqueries, &wanted.queries);
    expect(expect(case, &dkeys, &wanted.keys), &dvalues, &wanted.values)
}

pub fn cases(tuning: &Tuning) -> Vec<Case> {
    let heads = |queries, groups, dim| Heads { queries, groups, dim };
    let mut starts = vec![0; 90];
    starts[11..].fill(11);
    starts[12..].fill(12);
    starts[41..].fill(41);
    starts[80..].fill(80);
    vec![
        case(heads(1, 1, 8), 2, None, tuning),
        case(heads(4, 2, 16), 19, None, tuning),
        case(heads(3, 1, 64), 70, None, tuning),
        case(heads(2, 1, 24), 9, None, tuning),
        case(heads(4, 2, 16), 90, Some(&starts), tuning),
    ]
}

pub fn benches(tuning: &Tuning) -> Vec<Bench> {
    let (rows, heads) = (512, Heads { queries: 9, groups: 3, dim: 64 });
    let (width, shared) = (heads.queries * heads.dim, heads.groups * heads.dim);
    let [queries, out, dout, dqueries] =
        ["queries", "out", "dout", "dqueries"].map(|label| Operand::new(label, rows, width, tuning));
    let [keys, values, dkeys, dvalues] =
        ["keys", "values", "dkeys", "dvalues"].map(|label| Operand::new(label, rows, shared, tuning));
    let [sums, dots] = ["sums", "dots"].map(|label| Buffer::words(label, rows * heads.queries));
    let grad = AttentionGrad {
        queries: &queries,
        keys: &keys,
        values: &values,
        out: &out,
        sums: &sums,
        dout: &dout,
        dots: &dots,
        dqueries: &dqueries,
        dkeys: &dkeys,
        dvalues: &dvalues,
        starts: &Starts::One,
        cursor: &Cursor::at(rows, 0),
    };
    let pairs = 0.5 * (rows * rows * width) as f64;
    vec![Bench {
        name: format!("{rows} rows of 9 and 3 heads of 64"),
        recording: record(&grad, heads, tuning),
        flops: 14.0 * pairs,
        bytes: 4.0 * (4 * rows * width + 4 * rows * shared) as f64,
    }]
}
