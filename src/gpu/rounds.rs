//! How often an adapter lets the loops of an invocation go round, measured.
//!
//! llvmpipe of Mesa 22 ends every loop of an invocation, without a word, once they have gone round 65,535 times between
//! them; that of Mesa 25 and SwiftShader do not. Which drivers do is not known, so each is asked when it is opened.

use super::{Access, Binding, Buffer, Engine, Program, ProgramDesc, Recording};
use crate::error::Result;

/// Rounds asked for: four times the only limit that was met, and about a millisecond of a processor.
const ASKED: u32 = 1 << 18;

/// The least that an adapter was found to make, a little less.
pub const LEAST: u64 = 65_000;

/// Counts its rounds, with a number that no compiler knows beforehand.
const WGSL: &str = "
@group(0) @binding(0) var<storage, read_write> rounds: array<u32>;  // asked; made, and what they came to
@compute @workgroup_size(1)
fn rounds_made() {
  let asked = rounds[0];
  var made = 0u;
  var number = 1u;
  for (var i = 0u; i < asked; i++) {
    made += 1u;
    number = (number ^ i) * 1664525u + 1013904223u;
  }
  rounds[1] = made;
  rounds[2] = number;
}
";

/// Most rounds that the adapter makes.
///
/// # Errors
/// A device failure.
pub fn measure(engine: &Engine) -> Result<u64> {
    let buffer = Buffer::holding("rounds", &[ASKED, 0, 0, 0]);
    let program = Program::new(ProgramDesc {
        kernel: "rounds",
        entry: "rounds_made",
        wgsl: WGSL.into(),
        bindings: vec![Binding::new(0, "rounds", Access::ReadWrite)],
        workgroup: 1,
        shared_bytes: 0,
        // What is asked here is how many it makes.
        loops: 0,
    });
    let mut recording = Recording::default();
    recording.launch(program, vec![buffer.clone()], [1, 1]);
    engine.submit(&recording, 1)?;
    let words: Vec<u32> = engine.read(&buffer)?;
    Ok(believed(words[1]))
}

/// The limit that so many rounds made speak for: some room below it, as drivers count outer loops each their own way.
fn believed(made: u32) -> u64 {
    if made >= ASKED { u64::MAX } else { u64::from(made) / 1000 * 1000 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_measured_is_believed() {
        assert_eq!(believed(ASKED), u64::MAX);
        assert_eq!(believed(65_535), LEAST);
        assert_eq!(believed(ASKED - 1), 262_000);
        assert_eq!(believed(0), 0);
    }

    #[test]
    fn loops_end_where_the_adapter_was_found_to_end_them() {
        let engine = crate::gpu::open("auto").unwrap_or_else(|e| panic!("{e}"));
        let limit = engine.adapter().loops;
        assert!(limit == u64::MAX || limit < u64::from(ASKED), "{limit}");
        assert!(limit >= LEAST, "{limit} rounds are too few to work with");
        assert_eq!(measure(&engine).unwrap(), limit);
    }
}
