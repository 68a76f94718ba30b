//! Through a layer's linear maps, backward: of what they read, of what is trained of them, and of their adapters.

use super::backward::LayerGrad;
use super::grads::Rectangle;
use crate::gpu::Recording;
use crate::kernels::layout::operand::{Operand, other};
use crate::kernels::tensor::matmul::{self, Form, Plus, Product};
use crate::models::lm::adapter::Low;
use crate::models::lm::weights::{Layer, Linear, PROJECTIONS};

impl LayerGrad<'_> {
    /// Σ dy W: what layers make of the gradient of what they gave. An adapter's part between its matrices is there.
    pub(super) fn input<'b>(
        &self,
        layer: &Layer,
        terms: &[(&Operand, usize)],
        to: &'b [Operand; 2],
        recording: &mut Recording,
    ) -> &'b Operand {
        let mut sum: Option<&'b Operand> = None;
        for (dy, which) in terms {
            let linear = &layer.linears[*which];
            let last = linear.weight.pieces.len() - 1;
            // In the launch of the last piece, where that can be.
            let low = linear.low.as_ref();
            let joined = low.filter(|low| {
                let one = low.a.pieces.len() == 1 && self.all.activations.chance.is_none();
                one && matmul::takes_two(self.all.tuning)
            });
            for (i, piece) in linear.weight.pieces.iter().enumerate() {
                let dy = dy.columns(piece.rows.start, piece.rows.len());
                let also = joined.filter(|_| i == last);
                let also = also.map(|low| [self.between(low, *which), &low.a.pieces[0].operand]);
                sum = Some(self.back(&dy, &piece.operand, also, (sum, to), recording));
            }
            if let Some(low) = low.filter(|_| joined.is_none()) {
                sum = Some(self.low_input(low, *which, sum, to, recording));
            }
        }
        sum.expect("a term at least")
    }

    /// `sum + dy w`, in the one of two that the sum is not in.
    pub(super) fn back<'b>(
        &self,
        dy: &Operand,
        w: &Operand,
        also: Option<[&Operand; 2]>,
        (sum, to): (Option<&Operand>, &'b [Operand; 2]),
        recording: &mut Recording,
    ) -> &'b Operand {
        let next = other(to, sum);
        let product = Product {
            form: Form::Nn,
            also,
            plus: sum.map_or(Plus::Nothing, Plus::Other),
            cursor: Some(&self.all.activations.cursor),
            ..Product::nt(dy, w, next)
        };
        recording.extend(matmul::record(&product, self.all.tuning));
        next
    }

    /// `sum + du A`, what was left out of what the adapter read left out again.
    fn low_input<'b>(
        &self,
        low: &Low,
        which: usize,
        sum: Option<&'b Operand>,
        to: &'b [Operand; 2],
        recording: &mut Recording,
    ) -> &'b Operand {
        let (scratch, activations) = (&self.all.scratch, self.all.activations);
        let du = self.between(low, which);
        let mut sum = sum;
        let Some(chance) = &activations.chance else {
            for piece in &low.a.pieces {
                let du = du.columns(piece.rows.start, piece.rows.len());
                sum = Some(self.back(&du, &piece.operand, None, (sum, to), recording));
            }
            return sum.expect("an adapter has rows");
        };
        let read = &scratch.read[&low.a.cols];
        let [piece] = &low.a.pieces[..] else { panic!("an adapter's rows in several pieces") };
        let product = Product {
            form: Form::Nn,
            cursor: Some(&activations.cursor),
            ..Product::nt(du, &piece.operand, read)
        };
        recording.extend(matmul::record(&product, self.all.tuning));
        let next = other(to, sum);
        let site = [self.at, which];
        recording.extend(chance.record((read, sum), next, site, &activations.cursor, self.all.tuning));
        next
    }

    /// Where the gradient of an adapter's part between its matrices ends up: sums over pieces go from one of two to the other.
    fn between(&self, low: &Low, which: usize) -> &Operand {
        let two = self.all.scratch.low[which].as_ref().expect("an adapter's");
        &two[(low.b.pieces.len() - 1) % 2]
    }

    /// Gradients of what is trained of a linear map, and an adapter's part between its matrices.
    pub(super) fn weight(
        &self,
        layer: &Layer,
        which: usize,
        dy: &Operand,
        x: &Operand,
        recording: &mut Recording,
    ) {
        self.matrix(&format!("{}.weight", PROJECTIONS[which]), dy, x, recording);
        let Linear { low: Some(low), .. } = &layer.linears[which] else { return };
        let (activations, tuning) = (self.all.activations, self.all.tuning);
        let u = activations.blocks[self.at].low[which].as_ref().expect("an adapter's");
        let two = self.all.scratch.low[which].as_ref().expect("an adapter's");
        let mut sum: Option<&Operand> = None;
        for piece in &low.b.pieces {
            let (dy, next) = (dy.columns(piece.rows.start, piece.rows.len()), other(two, sum));
            let product = Product {
                form: Form::Nn,
                scale: low.scale,
                plus: sum.map_or(Plus::Nothing, Plus::Other),
                cursor: Some(&activations.cursor),
                ..Product::nt(&dy, &piece.operand, next)
            };
            recording.extend(matmul::record(&product, tuning));
            sum = Some(next);
        }
        let du = self.between(low, which);
        self.matrix(&format!("{}.lora_B.weight", PROJECTIONS[which]), dy, u, recording);
        let name = format!("{}.lora_A.weight", PROJECTIONS[which]);
        if self.all.grads.matrix(&self.name(&name)).is_some() {
            let read = activations.read_by_adapter(x, [self.at, which], recording, tuning);
            self.matrix(&name, du, &read, recording);
        }
    }

    /// dyᵀ x, of what is trained of a weight.
    pub(super) fn matrix(&self, tensor: &str, dy: &Operand, x: &Operand, recording: &mut Recording) {
        let Some(all) = self.all.grads.matrix(&self.name(tensor)) else { return };
        for Rectangle { rows, cols, grad, .. } in all {
            let (dy, x) = (dy.columns(rows.start, rows.len()), x.columns(cols.start, cols.len()));
            let to = Operand::Rows(grad.clone());
            let product = Product {
                form: Form::Tn,
                plus: if self.add { Plus::Itself } else { Plus::Nothing },
                depth: Some(&self.all.activations.cursor),
                ..Product::nt(&dy, &x, &to)
            };
            recording.extend(matmul::record(&product, self.all.tuning));
        }
    }
}
