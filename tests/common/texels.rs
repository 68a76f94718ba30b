//! A program that reads one storage texture and writes another.

use floe::gpu::{Access, Binding, Program, ProgramDesc, Texels};

/// Twice each texel, mirrored in both directions. Texels that floe's own kernels don't use yet go the same ways.
pub fn program(texels: Texels) -> Program {
    let format = texels.wgsl();
    let wgsl = format!(
        "@group(0) @binding(0) var from_: texture_storage_2d<{format}, read>;
@group(0) @binding(1) var to_: texture_storage_2d<{format}, write>;
@compute @workgroup_size(4)
fn mirror(@builtin(global_invocation_id) id: vec3u) {{
  let size = textureDimensions(from_);
  if (id.x >= size.x || id.y >= size.y) {{ return; }}
  textureStore(to_, size - 1u - id.xy, 2.0 * textureLoad(from_, id.xy));
}}
"
    );
    Program::new(ProgramDesc {
        kernel: "mirror",
        entry: "mirror",
        wgsl,
        bindings: vec![
            Binding::new(0, "from_", Access::TextureRead(texels)),
            Binding::new(1, "to_", Access::TextureWrite(texels)),
        ],
        workgroup: 4,
        shared_bytes: 0,
        loops: 0,
    })
}
