//! Where the operands of a chunk's product are, and what their rows are multiplied by.

use super::super::Frame;
use crate::kernels::layout::operand::{Bound, Operand};

/// Which part of an array a chunk and head has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The chunk's rows of an array of tokens, of so many heads side by side: query heads, or those that they share.
    Tokens(usize),
    /// The chunk's rows of `[rows, H c]`: a matrix of tokens by tokens.
    Square,
    /// The state before the chunk, or so many after it, of `[slots K, H V]`.
    State(usize),
}

impl Place {
    /// Whether its rows are tokens.
    pub fn of_tokens(self) -> bool {
        !matches!(self, Place::State(_))
    }
}

/// What rows are multiplied by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Factor {
    /// Nothing.
    One,
    /// exp(b_i) r_i: what a token still has of the state on entry, with its reach.
    Enter,
    /// exp(b_c − b_i): what the state behind the chunk has of a token.
    Leave,
    /// β_i.
    Beta,
    /// β_i exp(b_i).
    BetaEnter,
    /// exp(b_c), of all rows alike: what the state behind the chunk has of the one before it.
    Through,
}

/// An operand of a chunk's product.
#[derive(Clone, Copy)]
pub struct Side<'a> {
    /// One, or two that slots of states take turns in.
    pub arrays: &'a [Operand],
    /// Which part of it.
    pub place: Place,
    /// Columns of a head.
    pub width: usize,
    /// What rows are multiplied by.
    pub factor: Factor,
    /// What everything is multiplied by.
    pub times: f32,
}

impl<'a> Side<'a> {
    /// A head of an array of tokens.
    pub fn tokens(array: &'a Operand, heads: usize) -> Self {
        let width = array.cols() / heads;
        Side {
            arrays: std::slice::from_ref(array),
            place: Place::Tokens(heads),
            width,
            factor: Factor::One,
            times: 1.0,
        }
    }

    /// A head of a matrix of tokens by tokens.
    pub fn square(array: &'a Operand, frame: &Frame) -> Self {
        let width = frame.chunks.length;
        Side {
            arrays: std::slice::from_ref(array),
            place: Place::Square,
            width,
            factor: Factor::One,
            times: 1.0,
        }
    }

    /// A head of a state.
    pub fn state(arrays: &'a [Operand], ahead: usize, frame: &Frame) -> Self {
        Side {
            arrays,
            place: Place::State(ahead),
            width: frame.sizes.values,
            factor: Factor::One,
            times: 1.0,
        }
    }

    /// With rows multiplied.
    pub fn by(self, factor: Factor) -> Self {
        Side { factor, ..self }
    }

    /// With everything multiplied.
    pub fn times(self, times: f32) -> Self {
        Side { times, ..self }
    }

    pub(super) fn takes_turns(&self) -> bool {
        self.arrays.len() > 1
    }

    /// The array, and the slot's row in it, of chunks whose number is odd or not.
    fn array(&self, odd: usize) -> (&'a Operand, String, String) {
        let quads = self.width / 4;
        match self.place {
            Place::Tokens(heads) => {
                (&self.arrays[0], "unit.x".into(), format!("head * {heads}u / HEADS * {quads}u"))
            }
            Place::Square => (&self.arrays[0], "unit.x".into(), format!("head * {quads}u")),
            Place::State(ahead) => {
                let turns = self.arrays.len();
                let slot = format!("(unit.z + {ahead}u) / {turns}u * KEYS");
                (&self.arrays[(odd + ahead) % turns], slot, format!("head * {quads}u"))
            }
        }
    }

    /// Declares `get_<name>(row, quad)`. Rows behind the last token's are zero where they are added up.
    pub(super) fn read(
        &self,
        bound: Bound,
        frame: &Frame,
        index: u32,
        name: &'static str,
        by_rows: bool,
        odd: usize,
    ) -> Bound {
        let (array, from, across) = self.array(odd);
        let all = match name {
            "a" => "a_all",
            "b" => "b_all",
            "a2" => "a2_all",
            "b2" => "b2_all",
            "a3" => "a3_all",
            "b3" => "b3_all",
            _ => "plus_all",
        };
        let mut bound = bound.read(array, index, all, array.rows());
        let (last, quads) = match self.place {
            Place::State(_) => ("KEYS - 1u".to_string(), self.width / 4),
            _ => ("unit.y - 1u".to_string(), self.width / 4),
        };
        let mut value = format!("get_{all}({from} + own, {across} + min(quad, {}u))", quads - 1);
        match self.factor {
            Factor::One => {}
            Factor::Enter if !frame.rule.decay => value += " * reach(own)",
            Factor::Leave | Factor::Through if !frame.rule.decay => {}
            Factor::Enter => value += " * (get_gates(gate_row, own).x * reach(own))",
            Factor::Leave => value += " * get_gates(gate_row, own).y",
            Factor::Beta => value += " * get_gates(gate_row, own).z",
            Factor::BetaEnter => value += " * own_entry(own)",
            Factor::Through => value += " * get_gates(gate_row, LENGTH - 1u).x",
        }
        if self.factor == Factor::BetaEnter {
            bound.text +=
                "fn own_entry(own: u32) -> f32 { let g = get_gates(gate_row, own); return g.z * g.x; }\n";
        }
        if self.times != 1.0 {
            value = format!("{value} * {:?}f", self.times);
        }
        if by_rows && self.place.of_tokens() {
            value = format!("select(vec4f(), {value}, row < unit.y)");
        }
        bound.text += &format!(
            "fn get_{name}(row: u32, quad: u32) -> vec4f {{\n  let own = min(row, {last});\n  return {value};\n}}\n"
        );
        bound
    }

    /// Declares `put_c(row, quad, value)`.
    pub(super) fn write(&self, bound: Bound, index: u32, odd: usize) -> Bound {
        let (array, from, across) = self.array(odd);
        let mut bound = bound.write(array, index, "c_all", array.rows());
        bound.text += &format!(
            "fn put_c(row: u32, quad: u32, value: vec4f) {{ put_c_all({from} + row, {across} + quad, value); }}\n"
        );
        bound
    }
}

/// What sides are made of.
pub(super) fn common(frame: &Frame) -> String {
    let scale = format!("{:?}f", frame.rule.scale);
    let reach = if frame.rule.mean { format!("{scale} / f32(unit.w + row + 1u)") } else { scale };
    format!(
        "const KEYS = {}u;\nconst LENGTH = {}u;\nfn reach(row: u32) -> f32 {{ return {reach}; }}\n",
        frame.sizes.keys, frame.chunks.length
    )
}

/// `finished` of [`Finish::Seen`](super::Finish::Seen).
pub(super) fn seen(strict: bool, reach: bool, decay: bool) -> String {
    let there = if strict { "<" } else { "<=" };
    let mut kept = "value".to_string();
    if reach {
        kept += " * reach(row)";
    }
    if decay {
        // Of those that count only: of others it may be anything.
        kept += " * decay4(get_gates(gate_row, row).w - get_decays(gate_row, quad))";
    }
    let own = if decay {
        "fn decay4(x: vec4f) -> vec4f { return select(exp4(x), vec4f(), x < vec4f(-87.0)); }\n"
    } else {
        ""
    };
    format!(
        "{own}fn finished(row: u32, quad: u32, value: vec4f) -> vec4f {{
  let other = vec4u(4u * quad) + vec4u(0u, 1u, 2u, 3u);
  return select(vec4f(), {kept}, other {there} vec4u(row));
}}
"
    )
}
