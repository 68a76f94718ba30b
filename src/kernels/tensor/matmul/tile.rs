//! The product by tiles in workgroup memory, for GPUs: a workgroup has a tile of C, each invocation some vec4 of it in
//! registers; blocks of A and B pass through workgroup memory, the next one's loads under way.

use super::texel::Term;
use super::{Form, Parts, Product};
use crate::gpu::Recording;
use crate::kernels::{Entry, program};
use std::fmt::Write;

/// How a product is cut: data, of which `floe tune` chooses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tile {
    /// What reports call it.
    pub name: &'static str,
    /// Invocations along columns and rows of C.
    pub wide: usize,
    /// See `wide`.
    pub high: usize,
    /// vec4 of an invocation along columns.
    pub quads: usize,
    /// Rows of an invocation, in fours.
    pub fours: usize,
    /// k's of a block, a multiple of 4.
    pub depth: usize,
}

const fn tile(
    name: &'static str,
    [wide, high]: [usize; 2],
    [quads, fours]: [usize; 2],
    depth: usize,
) -> Tile {
    Tile { name, wide, high, quads, fours, depth }
}

/// All that there are, smaller ones first.
pub const TILES: &[Tile] = &[
    tile("32x32", [8, 8], [1, 1], 8),
    tile("64x64", [16, 16], [1, 1], 16),
    tile("64x128", [16, 16], [2, 1], 16),
    tile("128x128", [16, 16], [2, 2], 16),
];

/// Which tiles products are cut into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// The largest of [`TILES`] that is taken, by its place there.
    pub most: usize,
    /// A product is cut into so many tiles at least, as far as smaller ones make more.
    pub fill: usize,
}

impl Cut {
    /// The tile of a product to `[m, n]`.
    fn tile(&self, m: usize, n: usize) -> &'static Tile {
        let tiles = &TILES[..=self.most.min(TILES.len() - 1)];
        let count = |tile: &&Tile| m.div_ceil(tile.rows()) * n.div_ceil(4 * tile.width());
        tiles.iter().rev().find(|tile| count(tile) >= self.fill).unwrap_or(&TILES[0])
    }

    /// Those that `floe tune` compares.
    pub fn all() -> Vec<Cut> {
        let fills = [48, 160];
        (0..TILES.len()).flat_map(|most| fills.map(|fill| Cut { most, fill })).skip(1).collect()
    }

    /// As a choice is kept: `128x128, 160`.
    pub fn name(&self) -> String {
        format!("{}, {}", TILES[self.most].name, self.fill)
    }

    /// By its name.
    pub fn named(name: &str) -> Option<Cut> {
        Cut::all().into_iter().find(|cut| cut.name() == name)
    }
}

impl Tile {
    pub(in crate::kernels) fn workgroup(&self) -> usize {
        self.wide * self.high
    }

    /// Rows of C.
    pub(in crate::kernels) fn rows(&self) -> usize {
        4 * self.fours * self.high
    }

    /// vec4 of a row of C.
    pub(in crate::kernels) fn width(&self) -> usize {
        self.quads * self.wide
    }

    /// Bytes of workgroup memory.
    pub(in crate::kernels) fn shared(&self) -> usize {
        16 * self.depth * (self.rows() / 4 + self.width())
    }
}

pub(super) fn record(product: &Product, cut: &Cut) -> Recording {
    let parts = Parts::of(product);
    let [m, n, k] = parts.sizes;
    let tile = cut.tile(m, n);
    let terms = [Term { form: product.form, names: ["a", "b"], k }];
    let own = Text { name: "matmul", tile, terms: &terms, m, n };
    let entry = Entry {
        kernel: "matmul",
        name: "matmul",
        workgroup: tile.workgroup(),
        shared_bytes: tile.shared(),
        loops: own.loops(),
    };
    let text = parts.text();
    let program = program(entry, &[&text, &own.whole("")], parts.consts, parts.bound.bindings);
    let groups = [n.div_ceil(4 * tile.width()) as u32, m.div_ceil(tile.rows()) as u32];
    let mut recording = Recording::default();
    recording.launch(program, parts.bound.resources, groups);
    recording
}

/// The kernel of a tile of a sum of products.
pub(in crate::kernels) struct Text<'a> {
    /// Of the entry point.
    pub name: &'static str,
    pub tile: &'a Tile,
    pub terms: &'a [Term],
    pub m: usize,
    pub n: usize,
}

/// One side of a tile, as it comes from memory.
struct Side {
    /// `a` or `b`, of which block of workgroup memory.
    block: &'static str,
    /// Of what is read: `get_<name>(row, quad)`.
    name: &'static str,
    /// Terms of the sums.
    k: usize,
    /// vec4 along m or n.
    quads: usize,
    /// Whether a vec4 of memory runs along k.
    along_k: bool,
    /// Where the tile begins, in rows or columns of C.
    start: String,
    /// The last row or column that there is, as the shader has it.
    last: String,
}

impl Text<'_> {
    fn sides(&self, term: &Term) -> [Side; 2] {
        let Text { tile, m, n, .. } = self;
        let Term { form, names, k } = *term;
        let rows = if form == Form::Tn { format!("{}u", m - 1) } else { "rows() - 1u".into() };
        [
            Side {
                block: "a",
                name: names[0],
                k,
                quads: tile.rows() / 4,
                along_k: form != Form::Tn,
                start: format!("group.y * {}u", tile.rows()),
                last: rows,
            },
            Side {
                block: "b",
                name: names[1],
                k,
                quads: tile.width(),
                along_k: form == Form::Nt,
                start: format!("group.x * {}u", 4 * tile.width()),
                last: format!("{}u", n - 1),
            },
        ]
    }

    /// Rounds of an invocation's loops.
    pub fn loops(&self) -> u64 {
        let depth = self.tile.depth;
        self.terms.iter().map(|term| (term.k.div_ceil(depth) * (depth + 1)) as u64).sum()
    }

    /// The entry point, which begins with text that may leave where there is nothing to do; it ends with
    /// `finish(row, quad, value)`.
    pub fn whole(&self, opening: &str) -> String {
        let mut w = String::new();
        self.write(&mut w, opening).expect("a string takes it");
        w
    }

    fn write(&self, w: &mut String, opening: &str) -> std::fmt::Result {
        let tile = self.tile;
        let workgroup = tile.workgroup();
        for (block, quads) in [("a", tile.rows() / 4), ("b", tile.width())] {
            let (depth, room) = (tile.depth, tile.depth * quads);
            writeln!(w, "var<workgroup> block_{block}: array<vec4f, {room}>; // [{depth}, {quads}]")?;
        }
        writeln!(w, "@compute @workgroup_size({workgroup})")?;
        writeln!(
            w,
            "fn {}(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) group: vec3u) {{",
            self.name
        )?;
        write!(w, "{opening}")?;
        writeln!(w, "  let x = lane % {}u;\n  let y = lane / {}u;", tile.wide, tile.wide)?;
        for row in 0..4 * tile.fours {
            for quad in 0..tile.quads {
                writeln!(w, "  var c{row}_{quad} = vec4f();")?;
            }
        }
        self.terms.iter().try_for_each(|term| self.sum(w, term))?;
        for row in 0..4 * tile.fours {
            for quad in 0..tile.quads {
                writeln!(
                    w,
                    "  finish({}u * group.y + 4u * (y + {}u) + {}u, group.x * {}u + x + {}u, c{row}_{quad});",
                    tile.rows(),
                    row / 4 * tile.high,
                    row % 4,
                    tile.width(),
                    quad * tile.wide
                )?;
            }
        }
        writeln!(w, "}}")
    }

    /// A loop over the blocks of two operands, whose product is added to the tile.
    fn sum(&self, w: &mut String, term: &Term) -> std::fmt::Result {
        let tile = self.tile;
        let (sides, depth, blocks) = (self.sides(term), tile.depth, term.k.div_ceil(tile.depth));
        for side in &sides {
            self.places(w, side)?;
            self.load(w, side, "0u", "var ")?;
        }
        writeln!(w, "  for (var block = 0u; block < {blocks}u; block++) {{")?;
        writeln!(w, "    workgroupBarrier();")?;
        for side in &sides {
            self.put(w, side)?;
        }
        writeln!(w, "    workgroupBarrier();\n    if (block + 1u < {blocks}u) {{")?;
        for side in &sides {
            self.load(w, side, "(block + 1u)", "")?;
        }
        writeln!(w, "    }}\n    for (var k = 0u; k < {depth}u; k++) {{")?;
        for i in 0..tile.fours {
            let (high, quads) = (tile.high, sides[0].quads);
            writeln!(w, "      let a{i} = block_a[k * {quads}u + y + {}u];", i * high)?;
        }
        for j in 0..tile.quads {
            let (wide, quads) = (tile.wide, sides[1].quads);
            writeln!(w, "      let b{j} = block_b[k * {quads}u + x + {}u];", j * wide)?;
        }
        for row in 0..4 * tile.fours {
            for quad in 0..tile.quads {
                let (i, c) = (row / 4, ["x", "y", "z", "w"][row % 4]);
                writeln!(w, "      c{row}_{quad} = fma(vec4f(a{i}.{c}), b{quad}, c{row}_{quad});")?;
            }
        }
        writeln!(w, "    }}\n  }}")
    }

    /// vec4 of a side's block that an invocation loads.
    fn loads(&self, side: &Side) -> usize {
        (self.tile.depth * side.quads).div_ceil(self.tile.workgroup())
    }

    /// Whether every invocation has a vec4 in a load.
    fn guard(&self, side: &Side, load: usize) -> Option<String> {
        let (all, workgroup) = (self.tile.depth * side.quads, self.tile.workgroup());
        (all < (load + 1) * workgroup).then(|| format!("lane + {}u < {all}u", load * workgroup))
    }

    /// Where an invocation's vec4 of a side are, which no block changes: a row or column (or its vec4) and a vec4 (or row) of k.
    fn places(&self, w: &mut String, side: &Side) -> std::fmt::Result {
        let name = side.name;
        for load in 0..self.loads(side) {
            let flat = format!("(lane + {}u)", load * self.tile.workgroup());
            // Neighbours along what is contiguous in memory.
            let (outer, inner) = match side.along_k {
                true => (
                    format!("{flat} / {}u", self.tile.depth / 4),
                    format!("{flat} % {}u", self.tile.depth / 4),
                ),
                false => (format!("{flat} % {}u", side.quads), format!("{flat} / {}u", side.quads)),
            };
            writeln!(w, "  let {name}_at{load} = {outer};\n  let {name}_k{load} = {inner};")?;
        }
        Ok(())
    }

    /// Loads of a block into registers: zeros beyond the last k, the last row or column beyond it.
    fn load(&self, w: &mut String, side: &Side, block: &str, var: &str) -> std::fmt::Result {
        let (name, depth, terms, cols) = (side.name, self.tile.depth, side.k, self.n);
        for load in 0..self.loads(side) {
            let (start, last) = (&side.start, &side.last);
            let value = match side.along_k {
                true => {
                    let k = format!("{block} * {}u + {name}_k{load}", depth / 4);
                    let at = format!("min({start} + {name}_at{load}, {last})");
                    // Columns of C behind the last are zero.
                    let there = match side.block {
                        "b" => format!(" && {start} + {name}_at{load} < {cols}u"),
                        _ => String::new(),
                    };
                    format!(
                        "select(vec4f(), get_{name}({at}, min({k}, {}u)), {k} < {}u{there})",
                        (terms - 1) / 4,
                        terms.div_ceil(4)
                    )
                }
                false => {
                    let k = format!("{block} * {depth}u + {name}_k{load}");
                    let at = format!("min(({start}) / 4u + {name}_at{load}, ({last}) / 4u)");
                    format!("select(vec4f(), get_{name}(min({k}, {}u), {at}), {k} < {terms}u)", terms - 1)
                }
            };
            writeln!(w, "  {var}{name}{load}_next = {value};")?;
        }
        Ok(())
    }

    /// Registers into workgroup memory, k by k.
    fn put(&self, w: &mut String, side: &Side) -> std::fmt::Result {
        let (name, block, quads) = (side.name, side.block, side.quads);
        for load in 0..self.loads(side) {
            let guard = self.guard(side, load);
            if let Some(guard) = &guard {
                writeln!(w, "    if ({guard}) {{")?;
            }
            match side.along_k {
                true => {
                    for (c, x) in ["x", "y", "z", "w"].iter().enumerate() {
                        writeln!(
                            w,
                            "    block_{block}[(4u * {name}_k{load} + {c}u) * {quads}u + {name}_at{load} / 4u][{name}_at{load} % 4u] = {name}{load}_next.{x};"
                        )?;
                    }
                }
                false => writeln!(
                    w,
                    "    block_{block}[{name}_k{load} * {quads}u + {name}_at{load}] = {name}{load}_next;"
                )?,
            }
            if guard.is_some() {
                writeln!(w, "    }}")?;
            }
        }
        Ok(())
    }
}
