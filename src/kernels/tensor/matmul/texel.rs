//! The product by texels: a subgroup has a tile of C in registers, lanes side by side along its columns, and hands the
//! numbers of A round by shuffles between constant lanes. Software adapters load a texel five to forty times as fast as
//! a vec4 of a buffer (docs/PERFORMANCE.md).

use super::{Form, Parts, Product};
use crate::gpu::Recording;
use crate::kernels::layout::operand::{Operand, stride};
use crate::kernels::{Entry, Tuning, program};
use std::fmt::Write;

/// Rows of a tile: as many as there are, up to the most that pay.
fn tile_rows(form: Form, rows: usize) -> usize {
    match rows {
        1 if form != Form::Tn => 1,
        2..=4 if form != Form::Tn => 4,
        0..64 => 16,
        // A texel of B serves so many rows; what of C is not at work waits in a processor's first cache.
        _ => HIGH,
    }
}

/// Rows of a high tile.
const HIGH: usize = 64;
/// k's of its block: with eight, the loop's 47 KB of code leave a processor's first cache.
const SHALLOW: usize = 4;

/// Tiles one below the other that follow each other: their rows of A stay in a processor's second cache while all columns
/// of B pass by once.
const BELOW: usize = 4;

pub(super) fn record(product: &Product, tuning: &Tuning) -> Recording {
    let mut recording = Recording::default();
    let a = Operand::Panel(product.a.panel(&mut recording));
    let b = Operand::Panel(product.b.panel(&mut recording));
    let parts = Parts::with(product, &a, &b);
    let [m, n, k] = parts.sizes;
    let mut terms = vec![Term { form: product.form, names: ["a", "b"], k }];
    terms.extend(product.also.map(|[a, _]| Term { form: product.form, names: ["a2", "b2"], k: a.cols() }));
    let tile =
        Tile { name: "matmul", lanes: tuning.subgroup, rows: tile_rows(product.form, m), terms: &terms };
    let rows = tile.rows;
    debug_assert!(tile.terms.iter().all(|term| tile.reach(term) <= 4 * stride(term.k)));
    let entry = Entry {
        kernel: "matmul",
        name: "matmul",
        workgroup: tile.lanes,
        shared_bytes: 0,
        loops: tile.loops(),
    };
    // The last group of tiles may reach below the last one.
    let opening = format!(
        "  let tile = group.z * {BELOW}u + group.x;\n  if (tile * {rows}u >= rows()) {{ return; }}\n"
    );
    let text = parts.text();
    let program = program(entry, &[&text, &tile.text(&opening)], parts.consts, parts.bound.bindings);
    let tiles = m.div_ceil(rows);
    let groups = [tiles.min(BELOW), n.div_ceil(4 * tile.lanes), tiles.div_ceil(BELOW)];
    recording.launch(program, parts.bound.resources, groups.map(|n| n as u32));
    recording
}

/// A product of a sum of them: its operands are read by `get_<name>(row, quad)`.
pub(in crate::kernels) struct Term {
    pub form: Form,
    pub names: [&'static str; 2],
    /// Terms of its sums.
    pub k: usize,
}

/// The kernel of a tile: `rows` × 4 `lanes` of C.
pub(in crate::kernels) struct Tile<'a> {
    /// Of the entry point.
    pub name: &'static str,
    pub lanes: usize,
    pub rows: usize,
    pub terms: &'a [Term],
}

impl Tile<'_> {
    fn shape(&self, term: &Term) -> Shape {
        Shape { lanes: self.lanes, rows: self.rows, form: term.form }
    }

    /// k's that a term's blocks reach.
    pub fn reach(&self, term: &Term) -> usize {
        term.k.next_multiple_of(self.shape(term).depth())
    }

    /// Rounds of an invocation's loops.
    pub fn loops(&self) -> u64 {
        self.terms.iter().map(|term| (self.reach(term) / self.shape(term).depth()) as u64).sum()
    }

    /// The entry point, which begins with text that says which `tile` of rows it is, from `group`, and leaves where there is
    /// none; it ends with `finish(row, quad, value)`.
    pub fn text(&self, opening: &str) -> String {
        let mut w = String::new();
        self.write(&mut w, opening).expect("a string takes it");
        w
    }

    fn write(&self, w: &mut String, opening: &str) -> std::fmt::Result {
        let (lanes, rows) = (self.lanes, self.rows);
        writeln!(w, "@compute @workgroup_size({lanes})")?;
        writeln!(
            w,
            "fn {}(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) group: vec3u) {{",
            self.name
        )?;
        write!(w, "{opening}")?;
        writeln!(w, "  let quad = group.y * {lanes}u + lane;")?;
        for row in 0..rows {
            writeln!(w, "  var c{row} = vec4f();")?;
        }
        for term in self.terms {
            let shape = self.shape(term);
            shape.sum(w, term.names, self.reach(term) / shape.depth())?;
        }
        for row in 0..rows {
            writeln!(w, "  finish(tile * {rows}u + {row}u, quad, c{row});")?;
        }
        writeln!(w, "}}")
    }
}

/// A tile of one form.
struct Shape {
    lanes: usize,
    rows: usize,
    form: Form,
}

impl Shape {
    /// k's of a block: what is loaded before any of it is multiplied.
    fn depth(&self) -> usize {
        match self.form {
            _ if self.rows == HIGH => SHALLOW.min(self.lanes),
            Form::Tn => self.lanes,
            // A texel of A is four k's of a row; fewer rows than lanes leave lanes for further k's.
            _ => 4 * (self.lanes / self.rows).max(2),
        }
    }

    /// vec4 of A that a lane loads in a block.
    fn loads(&self) -> usize {
        (self.rows * self.depth()).div_ceil(4 * self.lanes)
    }

    /// Where element (row, k) of a block of A is: `a<load>.<component>` of a lane.
    fn place(&self, row: usize, k: usize) -> (usize, usize, usize) {
        match self.form {
            Form::Tn => {
                let (quad, loads) = (row / 4, self.loads());
                (quad % loads, row % 4, quad / loads * self.depth() + k)
            }
            _ if self.rows >= self.lanes => {
                ((row / self.lanes) * self.depth() / 4 + k / 4, k % 4, row % self.lanes)
            }
            _ => {
                let flat = k / 4 * self.rows + row;
                (flat / self.lanes, k % 4, flat % self.lanes)
            }
        }
    }

    /// The row and the vec4 of A that a lane's load is of, as the shader counts them.
    fn load_of_a(&self, a: &str, load: usize) -> String {
        let (lanes, rows, depth, quads) = (self.lanes, self.rows, self.depth(), self.depth() / 4);
        match self.form {
            // Lanes beyond a block's k's have further rows.
            Form::Tn => format!(
                "get_{a}(block * {depth}u + lane % {depth}u, tile * {}u + {load}u + lane / {depth}u * {}u)",
                rows / 4,
                self.loads()
            ),
            _ if rows >= lanes => format!(
                "get_{a}(tile * {rows}u + {}u + lane, block * {quads}u + {}u)",
                load / quads * lanes,
                load % quads
            ),
            _ => format!(
                "get_{a}(tile * {rows}u + lane % {rows}u, block * {quads}u + {}u + lane / {rows}u)",
                load * (lanes / rows)
            ),
        }
    }

    /// A loop over the blocks of two operands, whose product is added to the tile.
    fn sum(&self, w: &mut String, [a, b]: [&str; 2], blocks: usize) -> std::fmt::Result {
        let (rows, depth) = (self.rows, self.depth());
        writeln!(w, "  for (var block = 0u; block < {blocks}u; block++) {{")?;
        // All loads of the block first.
        for load in 0..self.loads() {
            writeln!(w, "    let a{load} = {};", self.load_of_a(a, load))?;
        }
        if self.form == Form::Nt {
            for q in 0..depth / 4 {
                for j in 0..4 {
                    writeln!(
                        w,
                        "    let t{q}_{j} = get_{b}(4u * quad + {j}u, block * {}u + {q}u);",
                        depth / 4
                    )?;
                }
                for (k, x) in ["x", "y", "z", "w"].iter().enumerate() {
                    let at = 4 * q + k;
                    writeln!(w, "    let b{at} = vec4f(t{q}_0.{x}, t{q}_1.{x}, t{q}_2.{x}, t{q}_3.{x});")?;
                }
            }
        } else {
            for k in 0..depth {
                writeln!(w, "    let b{k} = get_{b}(block * {depth}u + {k}u, quad);")?;
            }
        }
        // Then row by row: what a block adds to a row is summed in registers, by halves, and then added.
        for row in 0..rows {
            let term = |k: usize| {
                let (load, component, lane) = self.place(row, k);
                let x = ["x", "y", "z", "w"][component];
                format!("subgroupBroadcast(a{load}.{x}, {lane}u) * b{k}")
            };
            let half = |from: usize| (from..from + depth / 2).map(term).collect::<Vec<_>>().join(" + ");
            writeln!(w, "    c{row} += ({}) + ({});", half(0), half(depth / 2))?;
        }
        writeln!(w, "  }}")?;
        Ok(())
    }
}
