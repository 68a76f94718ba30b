//! The piece of WGSL that samples prompts of a [`Law`], with its constants and buffers.

use super::{normal, read, uniform};
use crate::gpu::{Binding, Buffer, Consts};
use crate::law::{Law, Pool, Regression, Tables, ThetaLaw};
use std::sync::Arc;

/// What a kernel that takes prompts prepends and binds. Uses bindings 0, 10 and 11.
pub struct Source {
    pub wgsl: &'static str,
    consts: Consts,
    buffers: Vec<(Binding, Buffer)>,
    dim: usize,
}

impl Source {
    pub fn new(law: &Law) -> Self {
        match law {
            Law::Regression(law) => regression(law),
            Law::Tables(law) => tables(law),
        }
    }

    /// Constants for prompts of at most `shots` demonstrations.
    pub fn consts(&self, shots: usize) -> Consts {
        let width = self.dim + 2;
        self.consts.clone().u32("D", width).u32("SHOTS", shots).u32("SLOTS", shots + 1)
    }

    /// A kernel's own bindings and buffers, and the source's behind them.
    pub fn bind(&self, own: &[Binding], buffers: &[&Buffer]) -> (Vec<Binding>, Vec<Buffer>) {
        let (mut all, mut handles) = (own.to_vec(), buffers.iter().map(|&b| b.clone()).collect::<Vec<_>>());
        for (binding, buffer) in &self.buffers {
            all.push(*binding);
            handles.push(buffer.clone());
        }
        (all, handles)
    }
}

fn regression(law: &Regression) -> Source {
    let pool = law.pool.unwrap_or(Pool { key: 0, size: 1 });
    let width = law.dim as u32 + 2;
    let mut task = vec![law.key, width, pool.key, pool.size, law.noise.to_bits(), 0, 0, 0];
    let theta = match &law.theta {
        ThetaLaw::Fixed(theta) => theta.clone(),
        _ => vec![0.0; law.dim],
    };
    task.extend(theta.iter().map(|x| x.to_bits()));
    let factor = task.len();
    task.extend(law.factor.iter().flatten().map(|x| x.to_bits()));
    let fresh = match law.theta {
        ThetaLaw::Fixed(_) => 0,
        ThetaLaw::Sphere => 1,
        ThetaLaw::Gaussian => 2,
    };
    let consts = Consts::default()
        .u32("DIM", law.dim)
        .u32("TASK4", task.len().div_ceil(4))
        .u32("FRESH", fresh)
        .u32("POOL", law.pool.is_some().into())
        .u32("COVARIANCE", law.factor.is_some().into())
        .u32("FACTOR", factor);
    Source {
        wgsl: include_str!("../../shaders/common/source_regression.wgsl"),
        consts,
        buffers: vec![(uniform(0, "task"), Buffer::holding("task", &task))],
        dim: law.dim,
    }
}

fn tables(law: &Tables) -> Source {
    let row4 = (law.dim + 1).div_ceil(4);
    let mut rows = Vec::with_capacity(law.rows.len() / (law.dim + 1) * row4 * 4);
    for row in law.rows.chunks(law.dim + 1) {
        rows.extend_from_slice(row);
        rows.resize(rows.len().next_multiple_of(4 * row4), 0.0);
    }
    let task = [law.key, law.dim as u32 + 2, law.groups.len() as u32, 0];
    Source {
        wgsl: include_str!("../../shaders/common/source_tables.wgsl"),
        consts: Consts::default()
            .u32("TASK4", 1)
            .u32("ROW4", row4)
            .u32("REPLACEMENT", law.replacement.into()),
        buffers: vec![
            (uniform(0, "task"), Buffer::holding("task", &task)),
            (read(10, "rows"), Buffer::holding("rows", &rows)),
            (read(11, "groups"), Buffer::holding("groups", law.groups.as_flattened())),
        ],
        dim: law.dim,
    }
}

/// The paper's pre-training prompts.
pub(super) fn paper() -> Law {
    let theta = ThetaLaw::Sphere;
    Law::Regression(Regression { key: 1, dim: 5, noise: 0.1f32.sqrt(), theta, factor: None, pool: None })
}

/// The paper's fine-tuning prompts.
pub(super) fn paper_target() -> Law {
    let theta = ThetaLaw::Fixed(vec![0.2f32.sqrt(); 5]);
    let pool = Some(Pool { key: 2, size: 100_000 });
    Law::Regression(Regression { key: 1, dim: 5, noise: 0.1f32.sqrt(), theta, factor: None, pool })
}

/// Arithmetic of drawing one prompt.
pub(super) fn operations(law: &Law, shots: usize) -> f64 {
    let (tokens, d) = ((shots + 1) as f64, law.dim() as f64);
    let token = match law {
        Law::Regression(r) => {
            let factor = if r.factor.is_some() { d * (d + 1.0) } else { 0.0 };
            (d + 1.0) * normal::OPERATIONS + 2.0 * d + 2.0 + factor
        }
        Law::Tables(_) => 44.0 + 4.0 * shots as f64,
    };
    let theta = match law {
        Law::Regression(Regression { theta: ThetaLaw::Fixed(_), .. }) | Law::Tables(_) => 0.0,
        Law::Regression(_) => d * (normal::OPERATIONS + 3.0),
    };
    theta + tokens * token
}

/// Laws that between them take every branch of the sources.
pub(super) fn fixtures() -> Vec<(String, Law)> {
    let base = |dim, theta| Regression { key: 7, dim, noise: 0.3, theta, factor: None, pool: None };
    let fixed = |dim: usize| ThetaLaw::Fixed((0..dim).map(|i| 0.5 - 0.2 * i as f32).collect());
    let factor =
        |dim: usize| (0..dim * dim).map(move |i| if i % dim <= i / dim { 0.3 + 0.1 * i as f32 } else { 0.0 });
    let mut laws: Vec<(String, Law)> = [
        ("d = 5, sphere", base(5, ThetaLaw::Sphere)),
        ("d = 1, gaussian", base(1, ThetaLaw::Gaussian)),
        ("d = 4, covariance", Regression { factor: Some(factor(4).collect()), ..base(4, ThetaLaw::Sphere) }),
        ("d = 3, fixed", base(3, fixed(3))),
        ("d = 5, pool", Regression { pool: Some(Pool { key: 9, size: 100_000 }), ..base(5, fixed(5)) }),
    ]
    .into_iter()
    .map(|(name, law)| (name.to_string(), Law::Regression(law)))
    .collect();
    for (dim, replacement) in [(3, false), (6, true)] {
        let rows = Arc::new(super::case::values(40 * (dim + 1), 1.0, 3));
        let groups = vec![[0, 9], [9, 6], [20, 20]];
        laws.push((
            format!("tables, d = {dim}"),
            Law::Tables(Tables { key: 5, dim, rows, groups, replacement }),
        ));
    }
    laws
}
