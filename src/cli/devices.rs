//! `floe devices`

use super::{print, table};
use crate::error::Result;
use crate::gpu;

/// List the adapters with what the engine uses of them
#[derive(Debug, clap::Args)]
pub struct Args {}

pub fn run(_: Args) -> Result<()> {
    let adapters = gpu::adapters()?;
    let header =
        ["#", "name", "backend", "type", "driver", "storage", "bindings", "shared", "workgroup", "features"];
    let mut rows = vec![header.map(String::from).to_vec()];
    for (i, a) in adapters.iter().enumerate() {
        rows.push(vec![
            i.to_string(),
            a.name.clone(),
            a.backend.clone(),
            a.kind.clone(),
            format!("{} {}", a.driver, a.driver_info),
            format!("{} MiB", a.storage_bytes >> 20),
            a.storage_buffers.to_string(),
            format!("{} KiB", a.workgroup_bytes >> 10),
            a.invocations.to_string(),
            if a.features.is_empty() { "-".into() } else { a.features.join(" ") },
        ]);
    }
    print(&table(&rows))?;
    print(
        "\nstorage: largest storage binding; bindings: storage buffers a kernel; shared: workgroup memory;\n\
         workgroup: invocations a workgroup; features: optional ones that floe uses. `--device` takes # or a part of a name.\n",
    )
}
