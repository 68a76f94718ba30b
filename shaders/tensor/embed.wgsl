// Rows of the embedding by token: those of rows FROM to TO of the table, which may be a piece of it.

@group(0) @binding(0) var<uniform> cursor: vec4u;           // x: rows
@group(0) @binding(1) var<storage, read> ids: array<u32>;   // [rows]

@compute @workgroup_size(WG)
fn embed(@builtin(global_invocation_id) at: vec3u) {
  if (at.y >= cursor.x || at.x >= QUADS) { return; }
  let id = ids[at.y];
  if (id >= FROM && id < TO) { put_x(at.y, at.x, get_table(id - FROM, at.x)); }
}
