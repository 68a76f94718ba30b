//! Which adapters there are, and which one to use.

use super::{Engine, manifest, rounds};
use crate::error::{Error, Result};
use wgpu::{Backends, DeviceType, Features};

/// What is known of an adapter; `floe devices` prints it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdapterSummary {
    /// As the driver has it.
    pub name: String,
    /// `Vulkan`, `Metal` or `Dx12`.
    pub backend: String,
    /// `DiscreteGpu`, `IntegratedGpu`, `VirtualGpu`, `Cpu` or `Other`.
    pub kind: String,
    /// The driver's name.
    pub driver: String,
    /// Its version, in its own words.
    pub driver_info: String,
    /// Largest storage binding, bytes.
    pub storage_bytes: u64,
    /// Storage buffers a kernel may bind.
    pub storage_buffers: u32,
    /// Workgroup memory, bytes.
    pub workgroup_bytes: u32,
    /// Invocations a workgroup.
    pub invocations: u32,
    /// Optional features that floe uses where they are.
    pub features: Vec<&'static str>,
    /// Invocations in a subgroup, where subgroup operations are offered and all are of one size.
    pub subgroup: Option<u32>,
    /// Most times that the loops of an invocation go round between them before the driver ends them all: measured when the
    /// adapter is opened, and what Mesa 22's llvmpipe makes before that.
    pub loops: u64,
}

/// Optional features and the names they are shown under.
const USED: &[(Features, &str)] = &[
    (Features::TIMESTAMP_QUERY, "timestamps"),
    (Features::SUBGROUP, "subgroups"),
    (Features::SHADER_F16, "f16"),
    (Features::EXPERIMENTAL_COOPERATIVE_MATRIX, "matrices"),
];

/// Drivers whose cooperative matrices are known to fail, by a part of their name: AMDVLK crashes when it is asked for them
/// (blade #422), Intel's are wrong on Xe3 (cubecl #1444) and slower than plain products on Arc (llama.cpp).
const WITHOUT_MATRICES: [&str; 2] = ["AMD open-source driver", "Intel"];

/// Whether an adapter multiplies 16 × 16 matrices of f16 with sums in f32, and is not known to do it wrong.
fn has_matrices(adapter: &wgpu::Adapter) -> bool {
    let driver = adapter.get_info().driver;
    let offered = adapter.features().contains(Features::EXPERIMENTAL_COOPERATIVE_MATRIX);
    let known = WITHOUT_MATRICES.iter().any(|name| driver.contains(name));
    let half = wgpu::wgt::CooperativeScalarType::F16;
    offered
        && !known
        && adapter.cooperative_matrix_properties().iter().any(|p| {
            let sizes = (p.m_size, p.n_size, p.k_size);
            sizes == (16, 16, 16) && p.ab_type == half && p.cr_type == wgpu::wgt::CooperativeScalarType::F32
        })
}

const NONE: &str = "no Vulkan, Metal or DX12 adapter was found";

fn instance() -> wgpu::Instance {
    let mut desc = wgpu::InstanceDescriptor::new_without_display_handle();
    desc.backends = Backends::VULKAN | Backends::METAL | Backends::DX12;
    wgpu::Instance::new(desc)
}

fn enumerate() -> Vec<wgpu::Adapter> {
    let all = pollster::block_on(instance().enumerate_adapters(Backends::all()));
    // Another driver than the one meant may have been found.
    if !all.is_empty()
        && let Some(wrong) = manifest::complaint(false)
    {
        log::warn!("{wrong}");
    }
    all
}

impl AdapterSummary {
    pub(super) fn of(adapter: &wgpu::Adapter) -> Self {
        let (info, limits) = (adapter.get_info(), adapter.limits());
        let offered = adapter.features();
        let uniform = info.subgroup_min_size == info.subgroup_max_size;
        AdapterSummary {
            name: info.name,
            subgroup: (offered.contains(Features::SUBGROUP) && uniform).then_some(info.subgroup_min_size),
            backend: format!("{:?}", info.backend),
            kind: format!("{:?}", info.device_type),
            driver: info.driver,
            driver_info: info.driver_info,
            storage_bytes: limits.max_storage_buffer_binding_size,
            storage_buffers: limits.max_storage_buffers_per_shader_stage,
            workgroup_bytes: limits.max_compute_workgroup_storage_size,
            invocations: limits.max_compute_invocations_per_workgroup,
            loops: rounds::LEAST,
            features: USED
                .iter()
                .filter(|(f, _)| offered.contains(*f))
                .filter(|(f, _)| *f != Features::EXPERIMENTAL_COOPERATIVE_MATRIX || has_matrices(adapter))
                .map(|(_, name)| *name)
                .collect(),
        }
    }

    /// Whether kernels run on the processor (llvmpipe, WARP), where memory and launches are priced differently.
    pub fn is_software(&self) -> bool {
        self.kind == "Cpu"
    }
}

/// Every adapter, in the order `--device <index>` counts.
///
/// # Errors
/// [`Error::NoDevice`] if there is none; the message says so if that is the environment's fault.
pub fn adapters() -> Result<Vec<AdapterSummary>> {
    let all = enumerate();
    if all.is_empty() {
        return Err(manifest::absent(NONE));
    }
    Ok(all.iter().map(AdapterSummary::of).collect())
}

/// Lower is preferred by `auto`.
fn rank(kind: DeviceType) -> u32 {
    match kind {
        DeviceType::DiscreteGpu => 0,
        DeviceType::IntegratedGpu => 1,
        DeviceType::VirtualGpu => 2,
        DeviceType::Cpu => 3,
        DeviceType::Other => 4,
    }
}

/// Opens the adapter that `select` names: `auto`, an index of [`adapters`], or a part of a name (any case).
///
/// # Errors
/// [`Error::NoDevice`] if there is no adapter at all, or one that refuses to open; none that fits `select`.
pub fn open(select: &str) -> Result<Engine> {
    open_with(select, false)
}

/// The same with cooperative matrices, an experimental feature of wgpu, where the adapter has them and they are asked for.
///
/// # Errors
/// As [`open`].
pub fn open_with(select: &str, matrices: bool) -> Result<Engine> {
    let all = enumerate();
    if all.is_empty() {
        return Err(manifest::absent(NONE));
    }
    let position = if select == "auto" {
        (0..all.len()).min_by_key(|&i| rank(all[i].get_info().device_type))
    } else if let Ok(index) = select.parse::<usize>() {
        (index < all.len()).then_some(index)
    } else {
        let wanted = select.to_lowercase();
        all.iter().position(|a| a.get_info().name.to_lowercase().contains(&wanted))
    };
    let Some(position) = position else {
        let names: Vec<String> =
            all.iter().enumerate().map(|(i, a)| format!("{i}: {}", a.get_info().name)).collect();
        return Err(Error::Usage(format!("`{select}` fits no adapter; there are {}", names.join(", "))));
    };
    let mut wanted = USED.iter().fold(Features::empty(), |all, (f, _)| all | *f);
    wanted.set(Features::EXPERIMENTAL_COOPERATIVE_MATRIX, matrices);
    Engine::new(&all[position], wanted)
}
