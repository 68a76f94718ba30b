//! The buffers of a step, filled for its members.

use super::sizes::Sizes;
use super::{Members, Plan};
use crate::gpu::Buffer;
use crate::kernels::shared::masked_update::{self, NONE, Update};
use crate::prompt::shape::Models;
use std::ops::Range;

impl Sizes {
    pub fn buffers(
        &self,
        members: Members,
        update: &Update,
        places: &[Vec<u32>],
        parts: usize,
    ) -> masked_update::Buffers {
        let all = self.models.places();
        masked_update::Buffers {
            hyper: hyper(members, self.models),
            schedule: Buffer::words("schedule", 4 * all * update.ring),
            trained: trained(members, places, self, update.trained),
            grads: Buffer::words("grads", self.models.count * self.grads),
            params: arena(members, self),
            moments: moments(members, update),
            state: Buffer::holding("state", &vec![members[0].1.step as u32; all]),
            metrics: Buffer::words("metrics", all * 4 * update.ring),
            partials: Buffer::words("partials", all * (self.layout.entries + 2) * parts),
        }
    }
}

/// All models' parameters; places of no model are zeros.
fn arena(members: Members, sizes: &Sizes) -> Buffer {
    let mut words = vec![0.0f32; sizes.models.places() * sizes.params];
    for (own, (_, start)) in words.chunks_mut(sizes.params).zip(members) {
        own[..start.params.len()].copy_from_slice(start.params);
    }
    Buffer::holding("params", &words)
}

/// All models' moments; places of no model are zeros.
fn moments(members: Members, update: &Update) -> Buffer {
    let mut words = vec![0.0f32; update.places * update.moments()];
    for (own, (plan, start)) in words.chunks_mut(update.moments()).zip(members) {
        let rows = own.chunks_mut(update.trained).zip(start.moments.chunks(plan.train.len()));
        rows.for_each(|(row, held)| row[..held.len()].copy_from_slice(held));
    }
    Buffer::holding("moments", &words)
}

fn hyper(members: Members, models: Models) -> Buffer {
    let mut rows: Vec<[f32; 8]> = members.iter().map(|(p, _)| masked_update::hyper(&p.optimizer)).collect();
    rows.resize(models.places(), [0.0; 8]);
    Buffer::holding("hyper", rows.as_flattened())
}

/// [ring, places] rows of some steps, each at its step's place in the ring; those of no model are zeros.
pub fn rows(plans: &[Plan], steps: Range<u64>, (ring, places): (usize, usize)) -> Vec<[f32; 4]> {
    let mut rows = vec![[0.0f32; 4]; ring * places];
    for t in steps {
        let now = &mut rows[(t % ring as u64) as usize * places..][..places];
        now.iter_mut().zip(plans).for_each(|(row, plan)| *row = plan.row(t));
    }
    rows
}

/// [M, longest] parameter and gradient index of each trained element.
fn trained(members: Members, places: &[Vec<u32>], sizes: &Sizes, longest: usize) -> Buffer {
    let mut pairs = vec![[NONE; 2]; members.len() * longest];
    for (model, (own, (plan, _))) in pairs.chunks_mut(longest).zip(members).enumerate() {
        let shift = (model * sizes.params) as u32;
        let listed = plan.train.elements().zip(&places[model]);
        own.iter_mut().zip(listed).for_each(|(pair, (p, &g))| *pair = [p as u32 + shift, g]);
    }
    Buffer::holding("trained", pairs.as_flattened())
}

/// [places, stride] each parameter's place among its model's trained, or [`NONE`].
pub fn slots(members: Members, sizes: &Sizes) -> Buffer {
    let mut words = vec![NONE; sizes.models.places() * sizes.params];
    for (own, (plan, _)) in words.chunks_mut(sizes.params).zip(members) {
        plan.train.elements().zip(0..).for_each(|(p, slot)| own[p] = slot);
    }
    Buffer::holding("slots", &words)
}
