//! A parity case: what to run, and what must come out.

use crate::gpu::{Buffer, Command, Recording, Resource, TexelRows, View};
use std::collections::{BTreeMap, BTreeSet};

/// One comparison of a kernel with its reference.
pub struct Case {
    /// Tells the cases of a kernel apart, by sizes.
    pub name: String,
    /// What runs.
    pub recording: Recording,
    /// What must come out.
    pub expect: Vec<Expect>,
    /// Textures that are filled on the way to what must come out.
    passing: BTreeSet<u64>,
}

/// A launch of realistic size, with what it costs by the kernel's own count.
pub struct Bench {
    /// What it times, by sizes.
    pub name: String,
    /// What runs.
    pub recording: Recording,
    /// Arithmetic operations, integer ones of the random numbers among them.
    pub flops: f64,
    /// Bytes read from and written to buffers.
    pub bytes: f64,
}

/// What a buffer must hold after the recording.
pub struct Expect {
    /// Which.
    pub buffer: Buffer,
    /// From its start on.
    pub values: Values,
}

/// Expected contents; the buffer may be longer, and what follows must stay as it was.
pub enum Values {
    /// Compared with a tolerance, [`KEPT`] to the bit.
    F32(Vec<f64>),
    /// Compared to the bit.
    U32(Vec<u32>),
    /// So many words that are made on the way to others, which tell whether they are right.
    Passing(usize),
}

/// Words behind every buffer that no kernel may touch.
pub const CANARIES: usize = 8;
/// A NaN that no arithmetic makes: poison before the launch, canary after it.
pub const POISON: u32 = 0x7fc0_dead;
/// Expected of a word that the kernel leaves as it was. A NaN that no arithmetic makes either.
pub const KEPT: f64 = f64::from_bits(0x7ff8_0000_0bad_5eed);

impl Case {
    /// A case of which nothing is expected yet.
    pub fn new(name: impl Into<String>, recording: Recording) -> Self {
        Case { name: name.into(), recording, expect: Vec::new(), passing: BTreeSet::new() }
    }

    /// Expects numbers of a buffer.
    pub fn f32(mut self, buffer: &Buffer, values: Vec<f64>) -> Self {
        self.expect.push(Expect { buffer: buffer.clone(), values: Values::F32(values) });
        self
    }

    /// Expects words of a buffer.
    pub fn u32(mut self, buffer: &Buffer, values: Vec<u32>) -> Self {
        self.expect.push(Expect { buffer: buffer.clone(), values: Values::U32(values) });
        self
    }

    /// Takes everything else that is written for what other launches of the case read: a chain of kernels is looked at by what
    /// comes out of it.
    pub(in crate::kernels) fn passing(mut self) -> Self {
        let mut known: BTreeSet<u64> = self.expect.iter().map(|expect| expect.buffer.id()).collect();
        for resource in self.recording.commands.iter().flat_map(written_by) {
            match resource {
                Resource::View(view) if known.insert(view.buffer().id()) => {
                    let words = view.buffer().bytes() as usize / 4;
                    self.expect
                        .push(Expect { buffer: view.buffer().clone(), values: Values::Passing(words) });
                }
                Resource::View(_) => {}
                Resource::Texture(texture) => {
                    self.passing.insert(texture.id());
                }
            }
        }
        self
    }

    /// The case as it is run: every buffer with canaries behind it, and those that a kernel may write full of poison
    /// unless the case says what they start with.
    ///
    /// # Errors
    /// A buffer that a kernel may write and nothing is expected of, or one that none may write and something is: what
    /// happens there would go unseen.
    pub fn guarded(self) -> Result<Case, String> {
        let (mut buffers, mut written) = (BTreeMap::new(), BTreeMap::new());
        for resource in self.recording.resources() {
            if let Resource::View(view) = resource {
                buffers.insert(view.buffer().id(), view.buffer().clone());
            }
        }
        for resource in self.recording.commands.iter().flat_map(written_by) {
            written.insert(resource.id(), resource.label());
        }
        let mut looked_at: BTreeSet<u64> = self.expect.iter().map(|expect| expect.buffer.id()).collect();
        // A texture is looked at by what it is copied into.
        looked_at.extend(self.recording.commands.iter().filter_map(|command| match command {
            Command::ReadTexture(rows) => Some(rows.texture.id()),
            _ => None,
        }));
        looked_at.extend(&self.passing);
        if let Some((_, label)) = written.iter().find(|(id, _)| !looked_at.contains(id)) {
            return Err(format!("`{label}` may be written, and nothing is expected of it"));
        }
        if let Some(idle) = self.expect.iter().find(|expect| !written.contains_key(&expect.buffer.id())) {
            return Err(format!("`{}` is written by no kernel of the case", idle.buffer.label()));
        }
        let guarded: BTreeMap<u64, Buffer> =
            buffers.into_iter().map(|(id, buffer)| (id, guard(&buffer, written.contains_key(&id)))).collect();
        let other = |buffer: &Buffer| guarded[&buffer.id()].clone();
        let mut case = Case { passing: self.passing, ..Case::new(self.name, Recording::default()) };
        for command in self.recording.commands {
            again(&mut case.recording, command, &guarded);
        }
        let expect = self.expect.into_iter();
        case.expect =
            expect.map(|Expect { buffer, values }| Expect { buffer: other(&buffer), values }).collect();
        Ok(case)
    }
}

/// What a command may write, textures that are filled by a copy aside.
fn written_by(command: &Command) -> Vec<Resource> {
    match command {
        Command::Dispatch(dispatch) => {
            let all = dispatch.program.bindings.iter().zip(&dispatch.resources);
            all.filter(|(binding, _)| binding.access.writes()).map(|(_, bound)| bound.clone()).collect()
        }
        Command::Copy { to, .. } => vec![to.clone().into()],
        Command::Clear(view) => vec![view.clone().into()],
        Command::ReadTexture(rows) => vec![rows.view.clone().into()],
        Command::FillTexture(_) => Vec::new(),
    }
}

/// Records a command on guarded buffers.
fn again(recording: &mut Recording, command: Command, guarded: &BTreeMap<u64, Buffer>) {
    // What a kernel binds whole it binds with its canaries: it could reach them.
    let whole = |view: &View| match &guarded[&view.buffer().id()] {
        buffer if view.is_whole() => buffer.view(view.dtype()),
        buffer => View::new(buffer, view.offset(), view.len(), view.dtype()),
    };
    let part =
        |view: &View| View::new(&guarded[&view.buffer().id()], view.offset(), view.len(), view.dtype());
    let rows = |rows: TexelRows| TexelRows { view: part(&rows.view), ..rows };
    match command {
        Command::Dispatch(dispatch) => {
            let bound = |resource: &Resource| match resource {
                Resource::View(view) => whole(view).into(),
                texture => texture.clone(),
            };
            let own = dispatch.is_own();
            let resources: Vec<Resource> = dispatch.resources.iter().map(bound).collect();
            let (program, groups) = (dispatch.program, dispatch.groups);
            // What runs unchecked in a run does here too.
            if own {
                recording.launch(program, resources, groups);
            } else {
                recording.dispatch(program, resources, groups);
            }
        }
        Command::Copy { from, to } => recording.copy(part(&from), part(&to)),
        Command::Clear(view) => recording.clear(part(&view)),
        Command::FillTexture(filled) => recording.fill_texture(rows(filled)),
        Command::ReadTexture(read) => recording.read_texture(rows(read)),
    }
}

/// A buffer with canaries behind it; if it is an output without contents, of poison.
fn guard(buffer: &Buffer, output: bool) -> Buffer {
    let (mut words, filling) = (buffer.contents().to_vec(), if output { POISON } else { 0 });
    if words.is_empty() || !output {
        // A kernel may load an input's last vec4 whole.
        words.resize(buffer.bytes() as usize / 4, filling);
    }
    words.resize(words.len() + CANARIES, POISON);
    Buffer::holding(buffer.label(), &words)
}

/// A poisoned output of `words` words.
pub fn poisoned(label: &'static str, words: usize) -> Buffer {
    Buffer::holding(label, &vec![POISON; words])
}

/// Deterministic test values of standard deviation `scale`.
pub fn values(count: usize, scale: f64, salt: u32) -> Vec<f32> {
    let normals = crate::random::rng::normals(salt, 0, 0, 0xca5e, count);
    normals.into_iter().map(|x| (x * scale) as f32).collect()
}

/// f32 values as the reference takes them.
pub fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&x| x as f64).collect()
}
