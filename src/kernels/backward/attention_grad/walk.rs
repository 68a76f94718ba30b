//! How queries and keys meet: one side has a row a lane, the other side's rows pass by in blocks, handed round by shuffles between
//! constant lanes (texels) or through workgroup memory (GPUs).

use crate::kernels::Tuning;

/// Which side has the lanes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Lanes {
    /// A query a lane: keys and values pass by.
    Queries,
    /// A key a lane: queries and gradients of what came out pass by, those of each head that shares it.
    Keys(Sums),
}

/// What a lane with a key adds up.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Sums {
    /// Gradients of the key and of the value: both are more than a GPU's registers have room for.
    Both,
    Key,
    Value,
}

/// Bytes of workgroup memory for a block: what every device has.
const ROOM: usize = 16 << 10;
/// Rows whose scores are taken together in workgroup memory.
const TOGETHER: usize = 4;

pub(super) struct Walk {
    side: Lanes,
    d4: usize,
    texel: bool,
    /// Invocations of a workgroup, and rows of its own.
    pub lanes: usize,
    /// Rows of a block that passes by.
    block: usize,
}

/// Vec4 `at` of row `j` of an array of a block in workgroup memory.
fn shared(name: &str, j: usize, at: &str) -> String {
    format!("block_{name}[(j + {j}u) * D4 + {at}]")
}

impl Walk {
    pub fn new(side: Lanes, d4: usize, texel: bool, tuning: &Tuning) -> Self {
        let lanes = if texel { tuning.subgroup } else { tuning.workgroup };
        let fit = (ROOM / (32 * d4) / TOGETHER * TOGETHER).clamp(TOGETHER, 32);
        Walk { side, d4, texel, lanes, block: if texel { lanes } else { fit } }
    }

    pub fn shared_bytes(&self) -> usize {
        if self.texel { 0 } else { 32 * self.block * self.d4 }
    }

    /// Rounds of an invocation's loops over so many rows, so many heads each.
    pub fn loops(&self, rows: usize, heads: usize) -> u64 {
        let within =
            self.block.div_ceil(TOGETHER) * (1 + self.d4) + (self.block * self.d4).div_ceil(self.lanes);
        let block = if self.texel { 1 } else { 1 + within };
        (heads * (1 + rows.div_ceil(self.block) * block)) as u64
    }

    fn keys(&self) -> bool {
        self.side != Lanes::Queries
    }

    /// Whether products with the first of what passes by are added up, and with the second.
    fn sums(&self) -> [bool; 2] {
        match self.side {
            Lanes::Queries => [true, false],
            Lanes::Keys(sums) => [sums != Sums::Value, sums != Sums::Key],
        }
    }

    /// What a lane has of its own, twice, and what passes by.
    fn names(&self) -> [&'static str; 4] {
        match self.side {
            Lanes::Queries => ["queries", "dout", "keys", "values"],
            Lanes::Keys(_) => ["keys", "values", "queries", "dout"],
        }
    }

    /// Where a head's vec4 begin, of a lane's own rows and of what passes by.
    fn places(&self) -> [&'static str; 2] {
        if self.keys() { ["shared_", "own"] } else { ["own", "shared_"] }
    }

    fn each(&self, line: impl Fn(usize) -> String) -> String {
        (0..self.d4).map(|i| line(i) + "\n").collect()
    }

    /// Vec4 `i` of the block's row `j`, of the first or second array that passes by.
    fn passing(&self, name: &str, j: usize, i: usize) -> String {
        if !self.texel {
            return shared(name, j, &format!("{i}u"));
        }
        let flat = j * self.d4 + i;
        format!("subgroupBroadcast({name}{}, {}u)", flat / self.lanes, flat % self.lanes)
    }

    /// The block's row `j`, counted as rows are.
    fn at(&self, j: usize) -> String {
        if self.texel { format!("(j0 + {j}u)") } else { format!("(j0 + j + {j}u)") }
    }

    /// What is known of query `j` that passes by: its sum, what it has along its gradient, its first key.
    fn of_query(&self, what: &str, j: usize) -> String {
        if self.texel {
            return format!("subgroupBroadcast({what}, {j}u)");
        }
        let row = format!("min({}, cursor.x - 1u)", self.at(j));
        match what {
            "sum" => format!("sums[{row} * HEADS + head]"),
            "along" => format!("dots[{row} * HEADS + head]"),
            _ => format!("start_of({row})"),
        }
    }

    /// What rows `0 …` of a block do to a lane's sums.
    fn meet(&self, count: usize) -> String {
        let [first, second] = self.sums();
        let mut text: String =
            (0..count).map(|j| format!("    var s{j} = 0.0;\n    var d{j} = 0.0;\n")).collect();
        let [a, b, ..] = self.names();
        let own = self.places()[0];
        // Of a lane's vec4 `i`, with what `with` says of an array and a row.
        let dots = |i: usize, with: &dyn Fn(&str, usize) -> String| {
            let mut text = String::new();
            for j in 0..count {
                text += &format!("    s{j} += dot(a{i}, {});\n", with("x", j));
                if first {
                    text += &format!("    d{j} += dot(b{i}, {});\n", with("y", j));
                }
            }
            text
        };
        if self.texel {
            (0..self.d4).for_each(|i| text += &dots(i, &|name, j| self.passing(name, j, i)));
        } else {
            // Loaded again for each few rows, one after the other: beside the sums, registers have no place. A bound that
            // compilers know they write out, and load all of it at once; the cursor's third number is zero.
            let pulled =
                if first { format!("    let b0 = get_{b}(row, {own} + i);\n") } else { String::new() };
            text += &format!(
                "    for (var i = 0u; i < D4 + cursor.z; i++) {{\n    let a0 = get_{a}(row, {own} + i) * SCALE;\n{pulled}{}    }}\n",
                dots(0, &|name, j| shared(name, j, "i"))
            );
        }
        for j in 0..count {
            let at = self.at(j);
            let (seen, sum, along) = match self.side {
                Lanes::Queries => {
                    (format!("{at} <= row && {at} >= start"), "sum".to_string(), "along".to_string())
                }
                Lanes::Keys(_) => {
                    let start = self.of_query("begin", j);
                    let seen = format!("{at} < cursor.x && row <= {at} && row >= {start}");
                    (seen, self.of_query("sum", j), self.of_query("along", j))
                }
            };
            text += &format!("    let p{j} = select(0.0, exp1(s{j} - {sum}), {seen});\n");
            if first {
                text += &format!("    let e{j} = p{j} * (d{j} - {along});\n");
            }
        }
        let terms = |weight: &str, name: &str, i: usize| {
            (0..count).map(|j| format!(" + {weight}{j} * {}", self.passing(name, j, i))).collect::<String>()
        };
        if first {
            text += &self.each(|i| format!("    g{i} = g{i}{};", terms("e", "x", i)));
        }
        if second {
            text += &self.each(|i| format!("    h{i} = h{i}{};", terms("p", "y", i)));
        }
        text
    }

    /// A block that passes by, from row `j0` on.
    fn pass(&self) -> String {
        let [.., x, y] = self.names();
        let place = self.places()[1];
        if self.texel {
            let load = |of: &str, name: &str| {
                self.each(|i| {
                    let flat = format!("({}u + lane)", i * self.lanes);
                    format!(
                        "    let {name}{i} = get_{of}(j0 + {flat} / {d4}u, {place} + {flat} % {d4}u);",
                        d4 = self.d4
                    )
                })
            };
            let query = match self.keys() {
                false => String::new(),
                true => "    let query = min(j0 + lane, cursor.x - 1u);
    let sum = sums[query * HEADS + head];
    let along = dots[query * HEADS + head];
    let begin = start_of(query);
"
                .to_string(),
            };
            return query + &load(x, "x") + &load(y, "y") + &self.meet(self.block);
        }
        format!(
            "    workgroupBarrier();
    for (var i = lane; i < {room}u; i += WG) {{
      let other = min(j0 + i / D4, cursor.x - 1u);
      block_x[i] = get_{x}(other, {place} + i % D4);
      block_y[i] = get_{y}(other, {place} + i % D4);
    }}
    workgroupBarrier();
    for (var turn = 0u; turn < {turns}u; turn++) {{
    let j = turn * {TOGETHER}u;
{meet}    }}
",
            room = self.block * self.d4,
            turns = self.block / TOGETHER,
            meet = self.meet(TOGETHER),
        )
    }

    /// The entry point.
    pub fn text(&self, name: &str) -> String {
        let (lanes, block, [a, b, ..], own) = (self.lanes, self.block, self.names(), self.places()[0]);
        let shared = match self.texel {
            true => String::new(),
            false => {
                let room = self.block * self.d4;
                let array = |name: &str| {
                    format!("var<workgroup> block_{name}: array<vec4f, {room}>;   // [{block}, D4]\n")
                };
                array("x") + &array("y")
            }
        };
        let kept = match self.texel {
            true => {
                self.each(|i| format!("  let a{i} = get_{a}(row, {own} + {i}u) * SCALE;"))
                    + &self.each(|i| format!("  let b{i} = get_{b}(row, {own} + {i}u);"))
            }
            false => String::new(),
        };
        let sums = self.each(|i| format!("  var g{i} = vec4f();"));
        let both = |of_key: &dyn Fn(usize) -> String, of_value: &dyn Fn(usize) -> String| {
            let [first, second] = self.sums();
            let of = |asked: bool, line: &dyn Fn(usize) -> String| {
                if asked { self.each(line) } else { String::new() }
            };
            of(first, of_key) + &of(second, of_value)
        };
        let head = format!(
            "{shared}@compute @workgroup_size({lanes})
fn {name}(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) group: vec3u) {{
  let first = group.x * {lanes}u;
  if (first >= cursor.x) {{ return; }}
  let row = min(first + lane, cursor.x - 1u);
  let last = min(first + {lanes}u, cursor.x) - 1u;
"
        );
        let body = match self.side {
            Lanes::Queries => format!(
                "  let own = group.y * D4;
  let shared_ = group.y / SHARING * D4;
  let start = start_of(row);
  let sum = sums[row * HEADS + group.y];
  var along = 0.0;
{dots}  if (first + lane < cursor.x) {{ dots[row * HEADS + group.y] = along; }}
{kept}{sums}  let from_ = start_of(first) / {block}u;
  for (var block = 0u; block <= last / {block}u - from_; block++) {{
    let j0 = (from_ + block) * {block}u;
{pass}  }}
  if (first + lane < cursor.x) {{
{put}  }}
}}
",
                dots = self.each(|i| format!("  along += dot(get_dout(row, own + {i}u), get_out(row, own + {i}u));")),
                pass = self.pass(),
                put = self.each(|i| format!("    put_dqueries(row, own + {i}u, g{i} * SCALE);")),
            ),
            // Sequences begin one behind the other: behind the first that begins beyond the last key, no query sees any.
            Lanes::Keys(_) => format!(
                "  let shared_ = group.y * D4;
{kept}{begun}  let from_ = first / {block}u;
  for (var turn = 0u; turn < SHARING; turn++) {{
    let head = group.y * SHARING + turn;
    let own = head * D4;
    for (var block = 0u; (from_ + block) * {block}u < cursor.x && start_of((from_ + block) * {block}u) <= last; block++) {{
    let j0 = (from_ + block) * {block}u;
{pass}    }}
  }}
  if (first + lane < cursor.x) {{
{put}  }}
}}
",
                begun = both(&|i| format!("  var g{i} = vec4f();"), &|i| format!("  var h{i} = vec4f();")),
                pass = self.pass(),
                put = both(
                    &|i| format!("    put_dkeys(row, shared_ + {i}u, g{i} * SCALE);"),
                    &|i| format!("    put_dvalues(row, shared_ + {i}u, h{i});")
                ),
            ),
        };
        head + &body
    }
}
