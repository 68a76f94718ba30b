//! `matmul`: products of matrices, as tiles of texels or of workgroup memory.

pub(crate) mod cases;
mod matrix;
pub(in crate::kernels) mod texel;
pub(in crate::kernels) mod tile;

pub(in crate::kernels) use cases::{benches, cases};
pub use tile::{Cut, TILES, Tile};

use super::matvec;
use crate::gpu::{Consts, Recording, View};
use crate::kernels::layout::cursor::Cursor;
use crate::kernels::layout::operand::{Bound, Operand, textured};
use crate::kernels::{Tuning, read};
pub use crate::reference::matmul::Form;

/// Most terms of a weight's gradient that are added up in one launch: rounding grows with them, and lines of memory that are
/// far apart. A multiple of every block.
const LONG: usize = 1024;

/// Most rows of a product that are taken one by one.
const FEW: usize = 4;

/// `c` = a product, and what is added to it.
#[derive(Clone, Copy)]
pub struct Product<'a> {
    /// Which operand stands transposed.
    pub form: Form,
    /// `[m, k]`, or `[k, m]` of [`Form::Tn`].
    pub a: &'a Operand,
    /// `[k, n]`, or `[n, k]` of [`Form::Nt`].
    pub b: &'a Operand,
    /// `[m, n]`.
    pub c: &'a Operand,
    /// Two more of the same form, whose product is added before anything is written: an adapter's. Of variants that
    /// [take](takes_two) it, and not of [`Form::Tn`].
    pub also: Option<[&'a Operand; 2]>,
    /// What the product alone is multiplied by.
    pub scale: f32,
    /// `[n]`, with zeros up to a vec4: added to each row.
    pub bias: Option<&'a View>,
    /// What is added, such as the residual.
    pub plus: Plus<'a>,
    /// How many rows of `c` there are at the time, if not all.
    pub cursor: Option<&'a Cursor>,
    /// How many rows of `a` and `b` there are, of [`Form::Tn`]: what stands behind them adds nothing.
    pub depth: Option<&'a Cursor>,
    /// From which row of `a` and `b` to which, of [`Form::Tn`], if not all are taken.
    pub part: Option<[usize; 2]>,
}

/// A matrix `[m, n]` that a product is added to.
#[derive(Clone, Copy)]
pub enum Plus<'a> {
    /// None.
    Nothing,
    /// What `c` holds: a gradient that is added up. Of a `c` in a buffer.
    Itself,
    /// Another one: the residual.
    Other(&'a Operand),
}

impl<'a> Product<'a> {
    /// `c = a bᵀ`: a linear layer without bias.
    pub fn nt(a: &'a Operand, b: &'a Operand, c: &'a Operand) -> Self {
        Product {
            form: Form::Nt,
            a,
            b,
            c,
            also: None,
            scale: 1.0,
            bias: None,
            plus: Plus::Nothing,
            cursor: None,
            depth: None,
            part: None,
        }
    }

    /// m, n and k, all of it.
    fn sizes(&self) -> [usize; 3] {
        let (a, b) = ([self.a.rows(), self.a.cols()], [self.b.rows(), self.b.cols()]);
        let ([m, k], [n, other]) = match self.form {
            Form::Nn => (a, [b[1], b[0]]),
            Form::Nt => (a, b),
            Form::Tn => ([a[1], a[0]], [b[1], b[0]]),
        };
        assert!(
            k == other && n == self.c.cols(),
            "a product of {a:?} and {b:?} to {} columns",
            self.c.cols()
        );
        assert!(self.c.rows() <= m, "{} rows of {m}", self.c.rows());
        [self.c.rows(), n, self.part.map_or(k, |[from, to]| to - from)]
    }

    /// The same as parts of at most [`LONG`] of its sum, each added to what the ones before it left, in their order.
    fn parts(&self) -> Vec<Product<'a>> {
        let [.., k] = self.sizes();
        if self.form != Form::Tn || k < 2 * LONG || !matches!(self.c, Operand::Rows(_)) {
            return vec![*self];
        }
        let part = |from: usize| {
            let part = Some([from, k.min(from + LONG)]);
            match from {
                0 => Product { part, ..*self },
                _ => Product { part, plus: Plus::Itself, bias: None, ..*self },
            }
        };
        (0..k).step_by(LONG).map(part).collect()
    }

    /// What both forms share: bindings 0 and 3 to 5, and the functions that `finish` calls.
    fn bound(&self, a: &Operand, b: &Operand, [m, _, k]: [usize; 3]) -> Bound {
        let reach = |operand: &Operand, rows: usize| match operand {
            Operand::Rows(_) => rows,
            Operand::Panel(_) => 0,
        };
        let mut bound = Bound::default();
        if let Some(cursor) = self.cursor.or(self.depth) {
            bound = bound.with(Cursor::binding(0), cursor.view());
            bound.text +=
                "@group(0) @binding(0) var<uniform> cursor: vec4u;   // x: rows of C, or of A and B\n";
        }
        let rows = if self.cursor.is_some() { "cursor.x".to_string() } else { format!("{m}u") };
        bound.text += &format!("fn rows() -> u32 {{ return {rows}; }}\n");
        let (a_rows, b_rows) = match self.form {
            Form::Nn => (m, k),
            Form::Nt => (m, b.rows()),
            Form::Tn => (k, k),
        };
        let wrapped = self.depth.is_some() || self.part.is_some();
        let [a_name, b_name] = if wrapped { ["a_all", "b_all"] } else { ["a", "b"] };
        let from = self.part.map_or(0, |[from, _]| from);
        bound = bound.read(a, 1, a_name, reach(a, from + a_rows)).read(b, 2, b_name, reach(b, from + b_rows));
        if wrapped {
            assert!(self.form == Form::Tn && self.cursor.is_none(), "a depth of {:?}", self.form);
            let there =
                if self.depth.is_some() { format!("row + {from}u < cursor.x") } else { "true".into() };
            for (side, value) in [
                ("a", format!("select(vec4f(), get_a_all(row + {from}u, quad), {there})")),
                ("b", format!("get_b_all(row + {from}u, quad)")),
            ] {
                bound.text += &format!("fn get_{side}(row: u32, quad: u32) -> vec4f {{ return {value}; }}\n");
            }
        }
        if let Some([a, b]) = self.also {
            assert!(a.rows() >= m, "rows of what is added up");
            bound = bound.read(a, 6, "a2", 0).read(b, 7, "b2", 0);
        }
        bound = bound.write(self.c, 3, "c", m);
        match (self.plus, self.c) {
            (Plus::Nothing, _) => bound = bound.plus(None, 5, m),
            (Plus::Itself, Operand::Rows(c)) => {
                let at = format!("c[row * {}u + quad]", c.pitch / 4);
                bound.text += &format!("fn other_of(row: u32, quad: u32) -> vec4f {{ return {at}; }}\n");
            }
            (Plus::Itself, Operand::Panel(_)) => panic!("a texture is not added to"),
            (Plus::Other(other), _) => {
                assert_eq!((other.rows() >= m, other.cols()), (true, self.c.cols()), "what is added");
                bound = bound.plus(Some(other), 5, m);
            }
        }
        let scaled =
            if self.scale == 1.0 { "value".to_string() } else { format!("value * {:?}f", self.scale) };
        bound.text += &format!("fn scaled(value: vec4f) -> vec4f {{ return {scaled}; }}\n");
        match self.bias {
            None => bound.text += "fn bias_of(quad: u32) -> vec4f { return vec4f(); }\n",
            Some(bias) => {
                bound = bound.with(read(4, "bias").words(self.c.cols().next_multiple_of(4)), bias.clone());
                bound.text += "@group(0) @binding(4) var<storage, read> bias: array<vec4f>;\n";
                bound.text += "fn bias_of(quad: u32) -> vec4f { return bias[quad]; }\n";
            }
        }
        bound
    }

    fn consts(&self) -> Consts {
        Consts::default().u32("QUADS", self.c.cols().div_ceil(4))
    }
}

const FINISH: &str = include_str!("../../../shaders/tensor/matmul.wgsl");

/// What `finish` is made of, for a kernel that calls it.
pub(super) struct Parts {
    pub consts: Consts,
    pub bound: Bound,
    /// m, n and k.
    pub sizes: [usize; 3],
}

impl Parts {
    /// Of operands as they are.
    pub fn of(product: &Product) -> Self {
        Self::with(product, product.a, product.b)
    }

    fn with(product: &Product, a: &Operand, b: &Operand) -> Self {
        let sizes = product.sizes();
        Parts { consts: product.consts(), bound: product.bound(a, b, sizes), sizes }
    }

    /// The text before a kernel's own.
    pub fn text(&self) -> String {
        [self.bound.text.as_str(), FINISH].concat()
    }
}

/// Whether a variant adds up two products in one launch.
pub fn takes_two(tuning: &Tuning) -> bool {
    textured(tuning)
}

/// A product by what suits the variant and the number of rows.
///
/// # Panics
/// If the sizes don't fit each other.
pub fn record(product: &Product, tuning: &Tuning) -> Recording {
    let mut recording = Recording::default();
    product.parts().iter().for_each(|part| recording.extend(whole(part, tuning)));
    recording
}

fn whole(product: &Product, tuning: &Tuning) -> Recording {
    assert!(product.also.is_none() || takes_two(tuning) && product.form != Form::Tn, "two products at once");
    if textured(tuning) {
        texel::record(product, tuning)
    } else if product.form == Form::Nt && product.c.rows() <= FEW {
        matvec::record(product, tuning)
    } else if tuning.matrices && matrix::fits(product) {
        matrix::record(product)
    } else {
        tile::record(product, &tuning.cut)
    }
}
