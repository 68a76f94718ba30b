//! What the device is asked to do, as plain data. Built without touching wgpu.

use super::buffer::ALIGN;
use super::{Access, Buffer, Ledger, Program, Texture, View};
use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};

/// Workgroups of a launch in x, y and z; z is 1 where two are given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Groups(pub [u32; 3]);

impl From<[u32; 2]> for Groups {
    fn from([x, y]: [u32; 2]) -> Self {
        Groups([x, y, 1])
    }
}

impl From<[u32; 3]> for Groups {
    fn from(groups: [u32; 3]) -> Self {
        Groups(groups)
    }
}

/// What a launch binds.
#[derive(Clone, Debug)]
pub enum Resource {
    /// A buffer or a range of it.
    View(View),
    /// A storage texture.
    Texture(Texture),
}

impl Resource {
    /// What it is called.
    pub fn label(&self) -> &'static str {
        match self {
            Resource::View(view) => view.buffer().label(),
            Resource::Texture(texture) => texture.label(),
        }
    }

    /// The view; none of a texture.
    pub fn view(&self) -> Option<&View> {
        match self {
            Resource::View(view) => Some(view),
            Resource::Texture(_) => None,
        }
    }

    /// The id of the buffer or the texture.
    pub fn id(&self) -> u64 {
        match self {
            Resource::View(view) => view.buffer().id(),
            Resource::Texture(texture) => texture.id(),
        }
    }
}

impl From<Buffer> for Resource {
    fn from(buffer: Buffer) -> Self {
        Resource::View(View::from(&buffer))
    }
}

impl From<View> for Resource {
    fn from(view: View) -> Self {
        Resource::View(view)
    }
}

impl From<Texture> for Resource {
    fn from(texture: Texture) -> Self {
        Resource::Texture(texture)
    }
}

/// One kernel launch.
#[derive(Clone, Debug)]
pub struct Dispatch {
    /// What runs.
    pub program: Program,
    /// One per binding, in the program's order.
    pub resources: Vec<Resource>,
    /// Workgroups in x, y and z.
    pub groups: [u32; 3],
    /// What a kernel of floe's own put together; none of what came in by [`Recording::dispatch`].
    seal: Option<u64>,
}

impl Dispatch {
    /// Whether it is, unaltered, a kernel's of floe's own with that kernel's resources: it runs without checks of indexes.
    pub fn is_own(&self) -> bool {
        self.seal == Some(self.print())
    }

    fn print(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        for resource in &self.resources {
            resource.id().hash(&mut hasher);
            if let Resource::View(view) = resource {
                (view.offset(), view.len(), view.dtype()).hash(&mut hasher);
            }
        }
        (self.program.key(), &self.program.bindings, self.groups).hash(&mut hasher);
        hasher.finish()
    }

    /// Why the device could not bind the resources so, or a kernel would read what it writes.
    fn complaint(&self) -> Option<String> {
        let bindings = &self.program.bindings;
        if bindings.len() != self.resources.len() {
            return Some(format!("{} resources for {} bindings", self.resources.len(), bindings.len()));
        }
        let all: Vec<_> = bindings.iter().zip(&self.resources).collect();
        for (at, (binding, resource)) in all.iter().enumerate() {
            match (resource, binding.access.texels()) {
                (Resource::View(_), Some(_)) => return Some(format!("`{}` is a texture", binding.name)),
                (Resource::Texture(texture), texels) if texels != Some(texture.texels()) => {
                    return Some(format!("`{}` is no texture of {:?}", binding.name, texture.texels()));
                }
                (Resource::View(view), None) if !view.offset().is_multiple_of(ALIGN) => {
                    return Some(format!("`{}` begins at byte {}", binding.name, view.offset()));
                }
                (Resource::View(view), None) if view.is_empty() => {
                    return Some(format!("`{}` is empty", binding.name));
                }
                (Resource::View(view), None) if view.bytes() < binding.least => {
                    let (have, need) = (view.bytes(), binding.least);
                    return Some(format!("`{}` has {have} bytes of {need}", binding.name));
                }
                _ => {}
            }
            let meets = |(other, bound): &&(&super::Binding, &Resource)| match (resource, bound) {
                (Resource::View(a), Resource::View(b)) => {
                    // Two of one buffer that are both written may lie apart; a device refuses one that is read too.
                    let both = binding.access == Access::ReadWrite && other.access == Access::ReadWrite;
                    a.overlaps(b) || !both && a.buffer().id() == b.buffer().id()
                }
                _ => resource.id() == bound.id(),
            };
            let writes =
                |(other, _): &&(&super::Binding, &Resource)| binding.access.writes() || other.access.writes();
            if let Some((other, _)) = all[..at].iter().filter(writes).find(meets) {
                return Some(format!("`{}` and `{}` are the same, and written", other.name, binding.name));
            }
        }
        None
    }
}

/// A rectangle of texels of a texture, beside its rows in a buffer.
#[derive(Clone, Debug)]
pub struct TexelRows {
    /// [height, pitch] texels.
    pub view: View,
    /// Texels from a row to the next; their bytes are a multiple of 256 unless there is one row.
    pub pitch: u32,
    /// The other side.
    pub texture: Texture,
    /// Where the rectangle begins in the texture, in x and y.
    pub at: [u32; 2],
    /// Texels copied, in x and y.
    pub size: [u32; 2],
}

impl TexelRows {
    fn complaint(&self) -> Option<String> {
        let TexelRows { view, pitch, texture, at, size: [width, height] } = self;
        let texel = texture.texels().bytes();
        let (row, pitch) = (u64::from(*width) * texel, u64::from(*pitch) * texel);
        let need = u64::from(height.saturating_sub(1)) * pitch + row;
        let [most, tallest] = texture.size();
        let within = |from: u32, count: u32, all: u32| count <= all && from <= all - count;
        if !within(at[0], *width, most) || !within(at[1], *height, tallest) {
            let name = texture.label();
            Some(format!("{width}×{height} texels from {at:?} on of `{name}`, which has {most}×{tallest}"))
        } else if row > pitch || *height > 1 && !pitch.is_multiple_of(256) {
            Some(format!("rows of {row} bytes every {pitch} of `{}`", view.buffer().label()))
        } else if need > view.bytes() || !view.offset().is_multiple_of(texel) {
            let (have, from) = (view.bytes(), view.offset());
            Some(format!("{need} bytes of {have} from {from} on of `{}`", view.buffer().label()))
        } else {
            None
        }
    }
}

/// What the device does next.
#[derive(Clone, Debug)]
pub enum Command {
    /// Runs a kernel.
    Dispatch(Dispatch),
    /// Copies bytes of a buffer to as many of another.
    Copy {
        /// What is read.
        from: View,
        /// What is written.
        to: View,
    },
    /// Fills with zeros.
    Clear(View),
    /// Copies rows of a buffer into a texture.
    FillTexture(TexelRows),
    /// Copies a texture into rows of a buffer.
    ReadTexture(TexelRows),
}

/// Commands in order; each sees what the ones before it wrote.
#[derive(Clone, Debug, Default)]
pub struct Recording {
    /// In order.
    pub commands: Vec<Command>,
}

impl Recording {
    /// Appends a launch of so many workgroups. Its indexes are checked on the device: one out of bounds reads
    /// or writes some element of the same view or array, or nothing.
    ///
    /// # Panics
    /// If the resources are not one per binding and of its kind and least length, a view is empty or begins at no multiple of
    /// 256 bytes, or what is written is bound a second time.
    pub fn dispatch<R: Into<Resource>>(
        &mut self,
        program: Program,
        resources: Vec<R>,
        groups: impl Into<Groups>,
    ) {
        let dispatch = Self::dispatched(program, resources, groups.into());
        self.commands.push(Command::Dispatch(dispatch));
    }

    /// The same of a kernel of floe's own, whose indexes are known to be in bounds: none is checked.
    ///
    /// # Panics
    /// As [`Recording::dispatch`]: a bug in a kernel's `record`.
    pub(crate) fn launch<R: Into<Resource>>(
        &mut self,
        program: Program,
        resources: Vec<R>,
        groups: impl Into<Groups>,
    ) {
        let mut own = Self::dispatched(program, resources, groups.into());
        own.seal = Some(own.print());
        self.commands.push(Command::Dispatch(own));
    }

    fn dispatched<R: Into<Resource>>(
        program: Program,
        resources: Vec<R>,
        Groups(groups): Groups,
    ) -> Dispatch {
        let resources = resources.into_iter().map(Into::into).collect();
        let dispatch = Dispatch { program, resources, groups, seal: None };
        if let Some(why) = dispatch.complaint() {
            panic!("bindings of kernel `{}`: {why}", dispatch.program.kernel);
        }
        dispatch
    }

    /// Appends a copy from a buffer to another.
    ///
    /// # Panics
    /// If the two are of different lengths, or of one buffer.
    pub fn copy(&mut self, from: impl Into<View>, to: impl Into<View>) {
        let (from, to) = (from.into(), to.into());
        let names = (from.buffer().label(), to.buffer().label());
        assert_eq!(from.bytes(), to.bytes(), "bytes copied from `{}` to `{}`", names.0, names.1);
        assert_ne!(from.buffer().id(), to.buffer().id(), "`{}` is copied within itself", names.0);
        self.commands.push(Command::Copy { from, to });
    }

    /// Appends the filling of a view with zeros.
    pub fn clear(&mut self, view: impl Into<View>) {
        self.commands.push(Command::Clear(view.into()));
    }

    /// Appends the writing of data that the recording holds, each time that it runs.
    ///
    /// # Panics
    /// If the view is not as long as the data.
    pub fn upload<T: bytemuck::NoUninit>(&mut self, to: impl Into<View>, data: &[T]) {
        let to = to.into();
        let words: Vec<u32> = bytemuck::pod_collect_to_vec(data);
        let held = Buffer::holding("upload", &words);
        self.copy(View::from(&held).slice(0..words.len()), to);
    }

    /// Appends a copy of rows into a texture.
    ///
    /// # Panics
    /// If they don't fit, or rows begin at no multiple of 256 bytes.
    pub fn fill_texture(&mut self, rows: TexelRows) {
        assert_eq!(rows.complaint(), None);
        self.commands.push(Command::FillTexture(rows));
    }

    /// Appends a copy of a texture's rectangle into rows.
    ///
    /// # Panics
    /// As [`Recording::fill_texture`].
    pub fn read_texture(&mut self, rows: TexelRows) {
        assert_eq!(rows.complaint(), None);
        self.commands.push(Command::ReadTexture(rows));
    }

    /// Appends another recording.
    pub fn extend(&mut self, other: Recording) {
        self.commands.extend(other.commands);
    }

    /// The launches among the commands.
    pub fn dispatches(&self) -> impl Iterator<Item = &Dispatch> + Clone {
        self.commands.iter().filter_map(|command| match command {
            Command::Dispatch(dispatch) => Some(dispatch),
            _ => None,
        })
    }

    /// Everything that is bound, read or written.
    pub fn resources(&self) -> impl Iterator<Item = Resource> {
        self.commands.iter().flat_map(|command| match command {
            Command::Dispatch(dispatch) => dispatch.resources.clone(),
            Command::Copy { from, to } => vec![from.clone().into(), to.clone().into()],
            Command::Clear(view) => vec![view.clone().into()],
            Command::FillTexture(rows) | Command::ReadTexture(rows) => {
                vec![rows.view.clone().into(), rows.texture.clone().into()]
            }
        })
    }

    /// What the device holds for it, by label: known before anything runs.
    pub fn memory(&self) -> Ledger {
        let (mut ledger, mut seen) = (Ledger::default(), BTreeSet::new());
        for resource in self.resources() {
            if seen.insert(resource.id()) {
                match &resource {
                    Resource::View(view) => ledger.add(view.buffer().label(), view.buffer().bytes()),
                    Resource::Texture(texture) => ledger.add(texture.label(), texture.bytes()),
                }
            }
        }
        ledger
    }
}
