//! `chunk_product`: sums of products of matrices, one for each chunk and head.

mod cases;
mod side;

pub(in crate::kernels) use cases::{benches, cases};
pub use side::{Factor, Place, Side};

use super::{Frame, units};
use crate::gpu::{Consts, Recording, View};
use crate::kernels::layout::operand::{Bound, Operand, textured};
use crate::kernels::tensor::EXP;
use crate::kernels::tensor::matmul::texel::{self, Term};
use crate::kernels::tensor::matmul::{Form, TILES, tile};
use crate::kernels::{Entry, Tuning, program};

/// Two operands whose product is added.
pub struct Pair<'a> {
    /// Which stands transposed.
    pub form: Form,
    /// The left one.
    pub a: Side<'a>,
    /// The right one.
    pub b: Side<'a>,
    /// Terms of the sums.
    pub k: usize,
}

/// What is made of a sum before it is written.
#[derive(Clone, Copy)]
pub enum Finish<'a> {
    /// It is written.
    Plain,
    /// Something is added to it.
    Plus(Side<'a>),
    /// Rows are multiplied by β.
    Beta,
    /// Row i and column j of a chunk: times what i still has of j, exp(b_i − b_j); zero where j > i, and where j = i if
    /// `strict`. Rows are multiplied by the reach r_i where `reach`.
    Seen {
        /// Without the diagonal.
        strict: bool,
        /// Times r_i.
        reach: bool,
    },
}

/// C of a chunk and head = a sum of products.
pub struct ChunkProduct<'a> {
    /// What is added up.
    pub terms: Vec<Pair<'a>>,
    /// What becomes of it.
    pub finish: Finish<'a>,
    /// Where it goes.
    pub c: Side<'a>,
    /// Rows, if they are not the chunk's.
    pub m: usize,
    /// Columns.
    pub n: usize,
}

/// Factors of rows, and logarithms of decays summed: what [`chunk_gates`](super::chunk_gates) makes.
#[derive(Clone, Debug)]
pub struct Gates {
    /// `[chunks H, 4 c]`: four numbers a token.
    pub gates: Operand,
    /// `[chunks H, c]`.
    pub decays: Operand,
}

/// Launches over some chunks: where states take turns, all chunks by turns.
pub fn record(product: &ChunkProduct, frame: &Frame, gates: Option<&Gates>, tuning: &Tuning) -> Recording {
    let mut recording = Recording::default();
    if frame.turns() == 1 || !product.sides().any(Side::takes_turns) {
        recording.extend(launch(product, frame, gates, &frame.chunks.all(), 0, tuning));
    } else {
        for odd in 0..2 {
            let units = frame.chunks.every_other(odd);
            recording.extend(launch(product, frame, gates, &units, odd, tuning));
        }
    }
    recording
}

/// A launch over the n-th chunk of each sequence.
pub fn step(
    product: &ChunkProduct,
    frame: &Frame,
    gates: Option<&Gates>,
    n: usize,
    tuning: &Tuning,
) -> Recording {
    launch(product, frame, gates, &frame.chunks.step(n), n % frame.turns(), tuning)
}

impl<'a> ChunkProduct<'a> {
    fn sides(&self) -> impl Iterator<Item = &Side<'a>> {
        let plus = match &self.finish {
            Finish::Plus(side) => Some(side),
            _ => None,
        };
        self.terms.iter().flat_map(|term| [&term.a, &term.b]).chain(plus).chain([&self.c])
    }
}

const NAMES: [[&str; 2]; 3] = [["a", "b"], ["a2", "b2"], ["a3", "b3"]];

fn launch(
    product: &ChunkProduct,
    frame: &Frame,
    gates: Option<&Gates>,
    chunks: &View,
    odd: usize,
    tuning: &Tuning,
) -> Recording {
    let ChunkProduct { terms, finish, c, m, n } = product;
    let heads = frame.sizes.heads;
    let mut bound = units(Bound::default(), chunks, heads);
    bound.text += &side::common(frame);
    let rows = if c.place.of_tokens() { "unit.y".into() } else { format!("{m}u") };
    bound.text += &format!("fn rows() -> u32 {{ return {rows}; }}\n");
    let mut names = Vec::new();
    for (i, (pair, [a, b])) in terms.iter().zip(NAMES).enumerate() {
        let by_rows = pair.form == Form::Tn;
        bound = pair.a.read(bound, frame, 5 + 2 * i as u32, a, by_rows, odd);
        bound = pair.b.read(bound, frame, 6 + 2 * i as u32, b, false, odd);
        names.push(Term { form: pair.form, names: [a, b], k: pair.k });
    }
    bound = c.write(bound, 3, odd);
    let finished = match finish {
        Finish::Plain => "fn finished(row: u32, quad: u32, value: vec4f) -> vec4f { return value; }\n".into(),
        Finish::Plus(side) => {
            bound = side.read(bound, frame, 4, "plus", false, odd);
            "fn finished(row: u32, quad: u32, value: vec4f) -> vec4f { return value + get_plus(row, quad); }\n"
                .to_string()
        }
        Finish::Beta => "fn finished(row: u32, quad: u32, value: vec4f) -> vec4f { return value * get_gates(gate_row, row).z; }\n".to_string(),
        Finish::Seen { strict, reach } => side::seen(*strict, *reach, frame.rule.decay),
    };
    bound.text += &finished;
    if let Some(gates) = gates {
        if bound.text.contains("get_gates(") {
            bound = bound.read(&gates.gates, 1, "gates", gates.gates.rows());
        }
        if bound.text.contains("get_decays(") {
            bound = bound.read(&gates.decays, 2, "decays", gates.decays.rows());
        }
    }
    let shader = include_str!("../../../shaders/linear/chunk_product.wgsl");
    let consts = Consts::default().u32("QUADS", n / 4);
    let name = "chunk_product";
    let (tiles, across, workgroup, shared_bytes, loops, own) = if textured(tuning) {
        let rows = if m.is_multiple_of(64) { 64 } else { 16 };
        let tile = texel::Tile { name, lanes: tuning.subgroup, rows, terms: &names };
        debug_assert!(
            names.iter().all(|term| tile.reach(term) == term.k),
            "blocks of {}",
            term_sizes(&names)
        );
        let opening = format!(
            "  if (!begin(group.z)) {{ return; }}\n  let tile = group.x;\n  if (tile * {rows}u >= rows()) {{ return; }}\n"
        );
        let text = tile.text(&opening);
        (m.div_ceil(rows), n.div_ceil(4 * tile.lanes), tile.lanes, 0, tile.loops(), text)
    } else {
        let cut = &TILES[usize::from(*m >= 64 && *n >= 64)];
        let text = tile::Text { name, tile: cut, terms: &names, m: *m, n: *n };
        let own = text.whole("  if (!begin(group.z)) { return; }\n");
        (
            n.div_ceil(4 * cut.width()),
            m.div_ceil(cut.rows()),
            cut.workgroup(),
            cut.shared(),
            text.loops(),
            own,
        )
    };
    let entry = Entry { kernel: name, name, workgroup, shared_bytes, loops };
    let program = program(entry, &[&bound.text, EXP, shader, &own], consts, bound.bindings);
    let mut recording = Recording::default();
    let batches = chunks.len() / 8 * heads;
    recording.launch(program, bound.resources, [tiles as u32, across as u32, batches as u32]);
    recording
}

fn term_sizes(terms: &[Term]) -> String {
    terms.iter().map(|term| term.k.to_string()).collect::<Vec<_>>().join(", ")
}
