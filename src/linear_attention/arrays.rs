//! A matrix on the device that the host writes and reads.

use crate::error::Result;
use crate::gpu::{Buffer, DType, Engine, Recording};
use crate::kernels::Tuning;
use crate::kernels::layout::operand::{Operand, PITCH, Rows, texels, textured};
use crate::kernels::layout::weight::halves;

/// Where passes read or write it, and where the host does.
pub struct Array {
    operand: Operand,
    /// The operand itself, or what is copied to it and from it.
    rows: Rows,
}

impl Array {
    pub fn new(label: &'static str, rows: usize, cols: usize, kind: DType, tuning: &Tuning) -> Self {
        let pitch = cols.next_multiple_of(PITCH);
        let words = (rows * pitch) as u64 * kind.bytes() / 4;
        let rows = Rows::of(Buffer::words(label, words as usize).view(kind), rows, cols, pitch);
        let operand = match textured(tuning) {
            true => Operand::new(label, rows.rows, cols, tuning),
            false => Operand::Rows(rows.clone()),
        };
        Array { operand, rows }
    }

    pub fn operand(&self) -> &Operand {
        &self.operand
    }

    /// # Panics
    /// If there are more or fewer numbers than it has.
    pub fn write(&self, engine: &Engine, data: &[f32]) -> Result<()> {
        assert_eq!(
            data.len(),
            self.rows.rows * self.rows.cols,
            "numbers of [{}, {}]",
            self.rows.rows,
            self.rows.cols
        );
        let laid = self.rows.lay(data);
        match self.rows.view.dtype() {
            DType::F16 => engine.write(&self.rows.view, &halves(&laid))?,
            _ => engine.write(&self.rows.view, &laid)?,
        }
        if let Operand::Panel(panel) = &self.operand {
            let mut recording = Recording::default();
            recording.fill_texture(texels(&self.rows, panel, 0));
            engine.submit(&recording, 1)?;
        }
        Ok(())
    }

    pub fn read(&self, engine: &Engine) -> Result<Vec<f32>> {
        if let Operand::Panel(panel) = &self.operand {
            let mut recording = Recording::default();
            recording.read_texture(texels(&self.rows, panel, 0));
            engine.submit(&recording, 1)?;
        }
        let words: Vec<f32> = engine.read(&self.rows.view)?;
        let row = |row: &[f32]| row[..self.rows.cols].to_vec();
        Ok(words.chunks(self.rows.pitch).flat_map(row).collect())
    }
}

/// `[B, H, K, V]` as `[B K, H V]`.
pub fn by_rows(states: &[f32], [heads, keys, values]: [usize; 3]) -> Vec<f32> {
    let own = |all: &[f32]| -> Vec<f32> {
        let at = |i: usize| {
            let (key, head, value) = (i / (heads * values), i / values % heads, i % values);
            all[(head * keys + key) * values + value]
        };
        (0..all.len()).map(at).collect()
    };
    states.chunks(heads * keys * values).flat_map(own).collect()
}

/// `[B K, H V]` as `[B, H, K, V]`.
pub fn by_heads(states: &[f32], [heads, keys, values]: [usize; 3]) -> Vec<f32> {
    // Heads and keys change places.
    by_rows(states, [keys, heads, values])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_come_back_as_they_were_given() {
        let states: Vec<f32> = (0..2 * 3 * 4 * 5).map(|i| i as f32).collect();
        let rows = by_rows(&states, [3, 4, 5]);
        // Sequence 1, head 2, key 3, value 4.
        assert_eq!(rows[(4 + 3) * 15 + 2 * 5 + 4], states[((3 + 2) * 4 + 3) * 5 + 4]);
        assert_eq!(by_heads(&rows, [3, 4, 5]), states);
    }
}
