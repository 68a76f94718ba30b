//! What a Vulkan driver's compiler says of programs, through `VK_KHR_pipeline_executable_properties`.
//!
//! Straight to Vulkan, because wgpu has no words for it, and can't open Mesa's null hardware (`RADV_FORCE_FAMILY`), which
//! compiles for a Radeon that isn't there and runs nothing.

mod made;
mod spirv;

use crate::error::{Error, Result};
use crate::gpu::{Program, absent};
use ash::khr::pipeline_executable_properties as executables;
use ash::{ext, vk};
use made::Made;
use spirv::Dialect;
use std::ffi::{CStr, c_char};
use std::time::Instant;

/// A compiled program by its driver's own words.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// Invocations in a subgroup.
    pub subgroup: u32,
    /// Wall time of the driver.
    pub ms: f64,
    /// Names and values, as the driver gives them.
    pub statistics: Vec<(String, f64)>,
}

/// A Vulkan device opened for its compiler alone.
pub struct Compiler {
    name: String,
    driver: String,
    dialect: Dialect,
    /// Subgroups may be of any size that the device has: what wgpu asks for with its subgroup operations.
    varying: bool,
    told: executables::Device,
    device: ash::Device,
    // The last to go: its library must outlive every function above.
    _instance: Instance,
}

struct Instance {
    raw: ash::Instance,
    _entry: ash::Entry,
}

impl Drop for Instance {
    fn drop(&mut self) {
        // SAFETY: the only handle of it; devices made from it are destroyed before (`Compiler::drop`).
        unsafe { self.raw.destroy_instance(None) };
    }
}

impl Instance {
    fn open() -> Result<Self> {
        // SAFETY: loads the system's Vulkan loader, whose initialisation is meant to be run by any program.
        let entry = unsafe { ash::Entry::load() }.map_err(|e| {
            Error::unfit(format!(
                "there is no Vulkan loader to ask ({e}); install libvulkan1 or vulkan-loader"
            ))
        })?;
        let application =
            vk::ApplicationInfo::default().application_name(c"floe").api_version(vk::API_VERSION_1_3);
        let info = vk::InstanceCreateInfo::default().application_info(&application);
        // SAFETY: the structures are valid and live until the call returns; no layer or extension is asked for.
        let raw = unsafe { entry.create_instance(&info, None) }
            .map_err(|e| absent(&format!("Vulkan has no driver ({e})")))?;
        Ok(Instance { raw, _entry: entry })
    }

    /// Every physical device with what is known of it without opening it.
    fn devices(&self) -> Result<Vec<Found>> {
        // SAFETY: the instance is alive.
        let all = unsafe { self.raw.enumerate_physical_devices() }
            .map_err(|e| absent(&format!("Vulkan has no device ({e})")))?;
        all.into_iter().map(|physical| self.look(physical)).collect()
    }

    fn look(&self, physical: vk::PhysicalDevice) -> Result<Found> {
        // SAFETY: the handle is of this instance.
        let (core, extensions) = unsafe {
            let core = self.raw.get_physical_device_properties(physical);
            (core, self.raw.enumerate_device_extension_properties(physical))
        };
        let extensions =
            extensions.map_err(|e| Error::unfit(format!("a Vulkan device can't be asked: {e}")))?;
        let has = |name: &CStr| extensions.iter().any(|e| e.extension_name_as_c_str() == Ok(name));
        let mut driver = vk::PhysicalDeviceDriverProperties::default();
        if core.api_version >= vk::API_VERSION_1_2 {
            let mut more = vk::PhysicalDeviceProperties2::default().push_next(&mut driver);
            // SAFETY: Vulkan 1.2 has both structures.
            unsafe { self.raw.get_physical_device_properties2(physical, &mut more) };
        }
        Ok(Found {
            physical,
            name: text(&core.device_name),
            driver: format!("{} {}", text(&driver.driver_name), text(&driver.driver_info)).trim().to_string(),
            software: core.device_type == vk::PhysicalDeviceType::CPU,
            version: core.api_version,
            tells: core.api_version >= vk::API_VERSION_1_1 && has(executables::NAME),
            robust: has(ext::robustness2::NAME),
        })
    }
}

struct Found {
    physical: vk::PhysicalDevice,
    name: String,
    driver: String,
    software: bool,
    version: u32,
    tells: bool,
    robust: bool,
}

fn choose<'a>(found: &'a [Found], select: &str) -> Result<&'a Found> {
    if found.is_empty() {
        return Err(absent("Vulkan has no device"));
    }
    let list =
        || found.iter().enumerate().map(|(i, d)| format!("{i}: {}", d.name)).collect::<Vec<_>>().join(", ");
    let wanted = select.to_lowercase();
    let position = match select.parse::<usize>() {
        _ if select == "auto" => {
            let telling = (0..found.len()).filter(|&i| found[i].tells);
            telling.min_by_key(|&i| found[i].software).or(Some(0))
        }
        Ok(index) => (index < found.len()).then_some(index),
        Err(_) => found.iter().position(|d| d.name.to_lowercase().contains(&wanted)),
    };
    let Some(position) = position else {
        return Err(Error::Usage(format!("`{select}` fits no Vulkan device; there are {}", list())));
    };
    let chosen = &found[position];
    if !chosen.tells {
        return Err(Error::unfit(format!(
            "{} doesn't tell what it compiles: its driver has no VK_KHR_pipeline_executable_properties (there are {}); \
             take another device, or compile for a card that isn't there with Mesa's AMD driver: \
             RADV_FORCE_FAMILY=gfx1100",
            chosen.name,
            list()
        )));
    }
    Ok(chosen)
}

impl Compiler {
    /// Opens the device that `select` names: `auto` (the first that tells, a GPU before a processor), an index, or a
    /// part of a name.
    ///
    /// # Errors
    /// No device, none that fits, or one that doesn't tell.
    pub fn open(select: &str) -> Result<Self> {
        let instance = Instance::open()?;
        let found = instance.devices()?;
        let chosen = choose(&found, select)?;
        Self::of(instance, chosen)
    }

    fn of(instance: Instance, chosen: &Found) -> Result<Self> {
        let mut robust = vk::PhysicalDeviceRobustness2FeaturesEXT::default();
        let mut v13 = vk::PhysicalDeviceVulkan13Features::default();
        let mut all = vk::PhysicalDeviceFeatures2::default();
        if chosen.robust {
            all = all.push_next(&mut robust);
        }
        if chosen.version >= vk::API_VERSION_1_3 {
            all = all.push_next(&mut v13);
        }
        // SAFETY: the handle is of this instance, and the device knows the structures in the chain.
        unsafe { instance.raw.get_physical_device_features2(chosen.physical, &mut all) };
        // What wgpu switches on for floe, nothing else: it decides how buffers are read.
        let (access, varying) = (all.features.robust_buffer_access, v13.subgroup_size_control);
        let zeroes = v13.shader_zero_initialize_workgroup_memory;
        let mut features = vk::PhysicalDeviceFeatures2::default();
        features.features.robust_buffer_access = access;
        let mut telling = vk::PhysicalDevicePipelineExecutablePropertiesFeaturesKHR::default()
            .pipeline_executable_info(true);
        features = features.push_next(&mut telling);
        let mut robust = vk::PhysicalDeviceRobustness2FeaturesEXT::default()
            .robust_buffer_access2(robust.robust_buffer_access2 != 0)
            .robust_image_access2(robust.robust_image_access2 != 0);
        let mut extensions = vec![executables::NAME.as_ptr()];
        if chosen.robust {
            extensions.push(ext::robustness2::NAME.as_ptr());
            features = features.push_next(&mut robust);
        }
        let mut v13 = vk::PhysicalDeviceVulkan13Features::default()
            .subgroup_size_control(varying != 0)
            .shader_zero_initialize_workgroup_memory(zeroes != 0);
        if chosen.version >= vk::API_VERSION_1_3 {
            features = features.push_next(&mut v13);
        }
        let queues = [vk::DeviceQueueCreateInfo::default().queue_family_index(0).queue_priorities(&[1.0])];
        let info = vk::DeviceCreateInfo::default()
            .queue_create_infos(&queues)
            .enabled_extension_names(&extensions)
            .push_next(&mut features);
        // SAFETY: extensions and features are those that the device has; all structures outlive the call; every device
        // has a queue family 0.
        let device = unsafe { instance.raw.create_device(chosen.physical, &info, None) }
            .map_err(|e| Error::unfit(format!("{} can't be opened: {e}", chosen.name)))?;
        Ok(Compiler {
            name: chosen.name.clone(),
            driver: chosen.driver.clone(),
            dialect: Dialect { version: version(chosen.version), zeroes: zeroes != 0 },
            varying: varying != 0,
            told: executables::Device::new(&instance.raw, &device),
            device,
            _instance: instance,
        })
    }

    /// The device's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its driver, with the version.
    pub fn driver(&self) -> &str {
        &self.driver
    }

    /// Compiles a program and says what came out.
    ///
    /// # Errors
    /// A program that naga or the driver refuses.
    pub fn compile(&self, program: &Program) -> Result<Compiled> {
        let code = spirv::words(program, self.dialect)?;
        let refused = |e: vk::Result| {
            Error::Device(format!("{} does not compile kernel `{}`: {e}", self.name, program.kernel))
        };
        let mut made = Made::new(&self.device);
        let flags = if self.varying {
            vk::PipelineShaderStageCreateFlags::ALLOW_VARYING_SUBGROUP_SIZE
        } else {
            vk::PipelineShaderStageCreateFlags::empty()
        };
        let began = Instant::now();
        made.pipeline(&code, program, flags).map_err(refused)?;
        let ms = began.elapsed().as_secs_f64() * 1e3;
        let pipeline = vk::PipelineInfoKHR::default().pipeline(made.pipeline);
        // SAFETY: the pipeline is alive and was made with CAPTURE_STATISTICS on a device with the feature on.
        let (programs, statistics) = unsafe {
            let programs = self.told.get_pipeline_executable_properties(&pipeline).map_err(refused)?;
            let first = vk::PipelineExecutableInfoKHR::default().pipeline(made.pipeline).executable_index(0);
            let statistics = match programs.is_empty() {
                true => Vec::new(),
                false => self.told.get_pipeline_executable_statistics(&first).map_err(refused)?,
            };
            (programs, statistics)
        };
        Ok(Compiled {
            subgroup: programs.first().map_or(0, |p| p.subgroup_size),
            ms,
            statistics: statistics.iter().map(statistic).collect(),
        })
    }
}

impl Drop for Compiler {
    fn drop(&mut self) {
        // SAFETY: nothing that was made on it is left (`Made`), and no queue was ever used.
        unsafe { self.device.destroy_device(None) };
    }
}

fn version(vulkan: u32) -> (u8, u8) {
    match (vk::api_version_major(vulkan), vk::api_version_minor(vulkan)) {
        (1, 0) => (1, 0),
        (1, 1) => (1, 3),
        (1, 2) => (1, 5),
        _ => (1, 6),
    }
}

/// A driver's text: up to the first 0, without what would reach into a terminal.
fn text(field: &[c_char]) -> String {
    let bytes: Vec<u8> = field.iter().map(|&c| c as u8).take_while(|&c| c != 0).collect();
    String::from_utf8_lossy(&bytes).chars().filter(|c| !c.is_control()).collect()
}

fn statistic(s: &vk::PipelineExecutableStatisticKHR) -> (String, f64) {
    // SAFETY: `format` says which member of the union the driver filled in.
    let value = unsafe {
        match s.format {
            vk::PipelineExecutableStatisticFormatKHR::BOOL32 => f64::from(s.value.b32),
            vk::PipelineExecutableStatisticFormatKHR::INT64 => s.value.i64 as f64,
            vk::PipelineExecutableStatisticFormatKHR::FLOAT64 => s.value.f64,
            _ => s.value.u64 as f64,
        }
    };
    (text(&s.name), value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(name: &str, software: bool, tells: bool) -> Found {
        let physical = vk::PhysicalDevice::null();
        let version = vk::API_VERSION_1_3;
        Found { physical, name: name.into(), driver: String::new(), software, version, tells, robust: false }
    }

    #[test]
    fn a_gpu_that_tells_comes_first_and_who_does_not_is_refused() {
        let all = [device("Soft", true, true), device("Mute", false, false), device("Radeon X", false, true)];
        let name = |select: &str| choose(&all, select).map(|d| d.name.as_str()).map_err(|e| e.to_string());
        assert_eq!(name("auto"), Ok("Radeon X"));
        assert_eq!(name("0"), Ok("Soft"));
        assert_eq!(name("radeon"), Ok("Radeon X"));
        for (select, part) in [
            ("1", "Mute doesn't tell"),
            ("mute", "VK_KHR_pipeline_executable_properties (there are 0: Soft, 1: Mute, 2: Radeon X)"),
            ("3", "`3` fits no Vulkan device; there are 0: Soft"),
            ("voodoo", "`voodoo` fits no"),
        ] {
            let said = name(select).unwrap_err();
            assert!(said.contains(part), "{said}");
        }
        assert!(choose(&all[1..2], "auto").is_err_and(|e| e.to_string().contains("RADV_FORCE_FAMILY")));
        assert_eq!(choose(&all[..1], "auto").unwrap().name, "Soft");
        assert!(choose(&[], "auto").is_err_and(|e| e.to_string().contains("Vulkan has no device")));
    }

    #[test]
    fn spirv_is_as_new_as_vulkan() {
        let of = |minor| version(vk::make_api_version(0, 1, minor, 250));
        assert_eq!([of(0), of(1), of(2), of(3), of(4)], [(1, 0), (1, 3), (1, 5), (1, 6), (1, 6)]);
    }
}
