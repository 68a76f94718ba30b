//! The piece of WGSL that samples prompts of a [`Law`], with its constants and buffers.

use super::rounds::Drawing;
use crate::gpu::{Binding, Buffer, Consts, Program, Recording};
use crate::kernels::shared::normal;
use crate::kernels::{Tuning, read, uniform};
use crate::prompt::chi;
use crate::prompt::law::{Law, Pool, Regression, Tables, ThetaLaw};
use crate::prompt::own::Own;
use crate::reference::prompts::Drawn;
use std::borrow::Cow;
use std::sync::Arc;

/// Covariates up to which the law of moments, D columns written out one by one, compiles in seconds.
const MOMENTS_DIM: usize = 8;

/// What a kernel that takes prompts prepends and binds. Uses bindings 0, 10 and 11.
pub struct Source {
    wgsl: Cow<'static, str>,
    consts: Consts,
    buffers: Vec<(Binding, Buffer)>,
    dim: usize,
    /// Given the task, demonstrations are independent and Gaussian.
    gaussian: bool,
    /// The text is all of floe's own.
    sealed: bool,
    /// Rounds of its loops; of a text of one's own they are counted from that.
    drawing: Option<Drawing>,
}

impl Source {
    /// The source of a law. One of one's own has passed [`own::check`](super::own::check): what counts the loops of its
    /// text relies on that.
    pub fn new(law: &Law) -> Self {
        let source = match law {
            Law::Regression(law) => regression(law),
            Law::Tables(law) => tables(law),
            Law::Own(law) => own(law),
        };
        // Data that a caller put together may not fit.
        Source { sealed: source.sealed && law.check(0).is_ok(), ..source }
    }

    /// The piece of text.
    pub fn wgsl(&self) -> &str {
        &self.wgsl
    }

    /// Appends a launch of a kernel that has the source in it. Indexes go unchecked in floe's own text alone.
    pub(super) fn launch(
        &self,
        recording: &mut Recording,
        program: Program,
        buffers: Vec<Buffer>,
        groups: [u32; 2],
    ) {
        match self.sealed {
            true => recording.launch(program, buffers, groups),
            false => recording.dispatch(program, buffers, groups),
        }
    }

    /// Constants for prompts of at most `shots` demonstrations.
    pub fn consts(&self, shots: usize) -> Consts {
        let width = self.dim + 2;
        self.consts.clone().u32("D", width).u32("SHOTS", shots).u32("SLOTS", shots + 1)
    }

    /// Whether Σ z zᵀ over a prompt's demonstrations is drawn from its own law (docs/MATH.md) and not added up over
    /// tokens. It needs enough of them for [`chi::polynomials`], and a model that is not too wide.
    pub fn by_moments(&self, shots: usize, tuning: &Tuning) -> bool {
        let fits = (self.dim + chi::LEAST < shots) && self.dim <= MOMENTS_DIM;
        tuning.moments && self.gaussian && fits
    }

    /// The same for the reference.
    pub(super) fn drawn(&self, shots: usize, tuning: &Tuning) -> Drawn {
        if self.by_moments(shots, tuning) { Drawn::Moments } else { Drawn::Tokens }
    }

    /// WGSL that adds Σ z zᵀ over a prompt's demonstrations to `total`, and the constants for it and the rest. It adds
    /// none if it `draws` none.
    pub(super) fn demonstrations(
        &self,
        shots: usize,
        draws: bool,
        tuning: &Tuning,
    ) -> (&'static str, Consts) {
        let consts = self.consts(shots).u32("DRAWN", if draws { shots } else { 0 });
        if !draws || !self.by_moments(shots, tuning) {
            return (include_str!("../../../shaders/prompt/common/moments_tokens.wgsl"), consts);
        }
        // Column 0 has p normals, column k those from place k − 1 on; entry i of column k is draw at[k] + i.
        let p = self.dim + 1;
        let at = |k: usize| if k == 0 { 0 } else { p + (k - 1) * (2 * p - k) / 2 };
        let (terms, coefficients) = chi::polynomials(&dof(self.dim, shots));
        let consts = consts
            .indexes("MOMENT_AT", &(0..=p).map(at).collect::<Vec<_>>())
            .u32("CHI_TERMS", terms)
            .floats("CHI", &coefficients);
        (include_str!("../../../shaders/prompt/common/moments_gaussian.wgsl"), consts)
    }

    /// Covariates an example, d.
    pub(super) fn dim(&self) -> usize {
        self.dim
    }

    /// Rounds of the loops that begin a prompt of at most so many demonstrations, and that draw a token of it.
    pub(super) fn rounds(&self, shots: usize) -> [u64; 2] {
        match self.drawing {
            Some(drawing) => [drawing.begin, drawing.source_token(shots)],
            None => super::own::rounds(self, shots),
        }
    }

    /// Demonstrations of a prompt that are drawn one after another, if any are.
    pub(super) fn one_by_one(&self, shots: usize, draws: bool, tuning: &Tuning) -> usize {
        if draws && !self.by_moments(shots, tuning) { shots } else { 0 }
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
        wgsl: include_str!("../../../shaders/prompt/common/source_regression.wgsl").into(),
        consts,
        buffers: vec![(uniform(0, "task"), Buffer::holding("task", &task))],
        dim: law.dim,
        gaussian: law.pool.is_none(),
        sealed: true,
        drawing: Some(Drawing::regression(law.dim)),
    }
}

/// Degrees of freedom of the diagonal of Bartlett's triangle for the scatter of `shots` vectors (x, ε).
fn dof(dim: usize, shots: usize) -> Vec<usize> {
    (1..dim + 2).map(|k| shots - k).collect()
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
        wgsl: include_str!("../../../shaders/prompt/common/source_tables.wgsl").into(),
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
        gaussian: false,
        sealed: true,
        drawing: Some(Drawing::tables(row4)),
    }
}

fn own(law: &Own) -> Source {
    let (dim, numbers) = (law.law.dim(), law.law.numbers());
    let mut consts = Consts::default().u32("DIM", dim).u32("TASK4", 1);
    for (name, value) in law.law.constants() {
        consts = consts.u32(name, value as usize);
    }
    let task = [law.key, dim as u32 + 2, 0, 0];
    Source {
        wgsl: super::own::text(&*law.law).into(),
        consts,
        buffers: vec![
            (uniform(0, "task"), Buffer::holding("task", &task)),
            (read(10, "numbers"), Buffer::holding("numbers", &numbers)),
        ],
        dim,
        gaussian: false,
        sealed: false,
        drawing: None,
    }
}

/// The paper's pre-training prompts.
pub(in crate::kernels) fn paper() -> Law {
    let theta = ThetaLaw::Sphere;
    Law::Regression(Regression { key: 1, dim: 5, noise: 0.1f32.sqrt(), theta, factor: None, pool: None })
}

/// The paper's fine-tuning prompts.
pub(in crate::kernels) fn paper_target() -> Law {
    let theta = ThetaLaw::Fixed(vec![0.2f32.sqrt(); 5]);
    let pool = Some(Pool { key: 2, size: 100_000 });
    Law::Regression(Regression { key: 1, dim: 5, noise: 0.1f32.sqrt(), theta, factor: None, pool })
}

/// Arithmetic of drawing one prompt.
pub(in crate::kernels) fn operations(law: &Law, shots: usize) -> f64 {
    let (tokens, d) = ((shots + 1) as f64, law.dim() as f64);
    let token = match law {
        Law::Regression(r) => {
            let factor = if r.factor.is_some() { d * (d + 1.0) } else { 0.0 };
            (d + 1.0) * normal::OPERATIONS + 2.0 * d + 2.0 + factor
        }
        Law::Tables(_) => 44.0 + 4.0 * shots as f64,
        Law::Own(own) => own.law.operations(),
    };
    let theta = match law {
        Law::Regression(Regression { theta: ThetaLaw::Fixed(_), .. }) | Law::Tables(_) | Law::Own(_) => 0.0,
        Law::Regression(_) => d * (normal::OPERATIONS + 3.0),
    };
    theta + tokens * token
}

/// Arithmetic of Σ z zᵀ over one prompt's demonstrations, drawing them included.
pub(in crate::kernels) fn moment_operations(law: &Law, shots: usize, tuning: &Tuning) -> f64 {
    let (d, width) = (law.dim() as f64, law.dim() as f64 + 2.0);
    if !Source::new(law).by_moments(shots, tuning) {
        return operations(law, shots) - operations(law, 0) + shots as f64 * width * (width + 1.0);
    }
    let p = d + 1.0;
    let chi = p * 2.0 * (chi::polynomials(&dof(law.dim(), shots)).0 - 1) as f64;
    // Of a column that starts at place k: y, and x with the triangle's entries from k on; then its own triangle.
    let (mut map, mut sums) = (0.0, 0.0);
    for k in 0..law.dim() + 2 {
        let long = (law.dim() + 1 - k.max(1)) as f64;
        let factor = matches!(law, Law::Regression(Regression { factor: Some(_), .. }));
        map += 1.0 + 2.0 * long + if factor { long * (long + 1.0) } else { 0.0 };
        let side = width - k as f64;
        sums += side * (side + 1.0);
    }
    p * (p + 3.0) / 2.0 * normal::OPERATIONS + chi + map + sums
}

/// Laws that between them take every branch of the sources.
pub(in crate::kernels) fn fixtures() -> Vec<(String, Law)> {
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
        let rows = Arc::new(crate::kernels::case::values(40 * (dim + 1), 1.0, 3));
        let groups = vec![[0, 9], [9, 6], [20, 20]];
        laws.push((
            format!("tables, d = {dim}"),
            Law::Tables(Tables { key: 5, dim, rows, groups, replacement }),
        ));
    }
    laws
}
