//! Counter-based random numbers: the stream of `shaders/shared/common/random.wgsl`, on the host.
//!
//! A draw is `pcg4d(block, prompt, step, key)` (Jarzynski and Olano, "Hash Functions for GPU Rendering", JCGT 9(3),
//! 2020): no state, so any prompt of any step can be drawn alone, on any device, with the same integers.

/// Purposes that must not share random numbers; each is a key of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Parameters before the first step.
    Init = 1,
    /// Prompts to pre-train on.
    Pretrain = 2,
    /// The fixed set of pairs.
    Pool = 3,
    /// Prompts to fine-tune on.
    Finetune = 4,
    /// The task fine-tuned on.
    Theta = 5,
    /// Tokens that a language model draws.
    Sample = 6,
    /// The order of sequences of text.
    Order = 7,
    /// What an adapter begins with.
    Adapter = 8,
    /// What dropout leaves out.
    Dropout = 9,
    /// One per evaluation task and seed: `Eval + 64 * task + seed` and up.
    Eval = 64,
}

/// Four words for a counter of four words.
pub fn pcg4d(counter: [u32; 4]) -> [u32; 4] {
    let mut v = counter.map(|c| c.wrapping_mul(1664525).wrapping_add(1013904223));
    let mix = |v: &mut [u32; 4]| {
        v[0] = v[0].wrapping_add(v[1].wrapping_mul(v[3]));
        v[1] = v[1].wrapping_add(v[2].wrapping_mul(v[0]));
        v[2] = v[2].wrapping_add(v[0].wrapping_mul(v[1]));
        v[3] = v[3].wrapping_add(v[1].wrapping_mul(v[2]));
    };
    mix(&mut v);
    v = v.map(|c| c ^ (c >> 16));
    mix(&mut v);
    v
}

/// The key of a purpose under a seed. `index` tells uses of one purpose apart.
pub fn key(seed: u64, stream: Stream, index: u64) -> u32 {
    // SplitMix64's finaliser (Steele, Lea and Flood, 2014) over both numbers.
    let mut z = seed.wrapping_add((stream as u64 + index).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (z ^ (z >> 31)) as u32
}

/// Box–Muller in f64: what the device's polynomials approximate. The radius takes 31 bits of the first word, in f32
/// as the device does; the second is an angle within an eighth of a turn, a swap of sine and cosine, and a half turn.
pub fn normal_pair(radius: u32, direction: u32) -> [f64; 2] {
    let u = ((radius >> 1) as f32 + 1.0) * (1.0 / 2147483648.0);
    let r = (-2.0 * (u as f64).ln()).max(0.0).sqrt();
    let x = std::f64::consts::FRAC_PI_4 * ((direction << 2) as i32 as f64 / 2147483648.0);
    let r = if direction >> 31 == 1 { -r } else { r };
    let (c, s) = (r * x.cos(), r * x.sin());
    if direction >> 30 & 1 == 1 { [s, c] } else { [c, s] }
}

/// `count` standard normals of draw number `draw`, as the device draws them.
pub fn normals(draw: u32, prompt: u32, step: u32, key: u32, count: usize) -> Vec<f64> {
    let blocks = count.div_ceil(4) as u32;
    let mut out = Vec::with_capacity(4 * blocks as usize);
    for block in 0..blocks {
        out.extend(normals4([draw * blocks + block, prompt, step, key]));
    }
    out.truncate(count);
    out
}

/// The four standard normals of a counter.
pub fn normals4(counter: [u32; 4]) -> [f64; 4] {
    let w = pcg4d(counter);
    let ([a, b], [c, d]) = (normal_pair(w[0], w[1]), normal_pair(w[2], w[3]));
    [a, b, c, d]
}

/// A uniform integer below `bound`: floor(word · bound / 2^32).
pub fn below(word: u32, bound: u32) -> u32 {
    ((word as u64 * bound as u64) >> 32) as u32
}

/// Places `0..count` of a prompt's tokens among `rows` rows: drawn without replacement in order, or with.
///
/// The i-th of the rows not yet taken is found by stepping over the taken ones in rising order, so every ordered
/// choice is equally likely and each place costs one word.
pub fn choose(rows: u32, count: usize, replacement: bool, prompt: u32, step: u32, key: u32) -> Vec<u32> {
    let (mut taken, mut out) = (Vec::with_capacity(count), Vec::with_capacity(count));
    for slot in 0..count as u32 {
        let word = pcg4d([slot + 1, prompt, step, key])[0];
        if replacement {
            out.push(below(word, rows));
            continue;
        }
        let mut row = below(word, rows - slot);
        let mut at = 0;
        while at < taken.len() && row >= taken[at] {
            row += 1;
            at += 1;
        }
        taken.insert(at, row);
        out.push(row);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Words computed by an independent implementation of the published definition (Python integers).
    #[test]
    fn known_answers() {
        assert_eq!(pcg4d([0, 0, 0, 0]), KNOWN[0]);
        assert_eq!(pcg4d([1, 2, 3, 4]), KNOWN[1]);
        assert_eq!(pcg4d([u32::MAX, 0x12345678, 0xdeadbeef, 7]), KNOWN[2]);
    }

    const KNOWN: [[u32; 4]; 3] = [
        [251852841, 760645481, 850445371, 3542436074],
        [908250390, 4044648920, 3775961919, 45698095],
        [711959019, 3475327446, 2168109998, 2471765364],
    ];

    #[test]
    fn a_choice_without_replacement_has_no_repeats_and_covers_every_row() {
        let mut seen = [0u32; 24];
        for prompt in 0..5000 {
            let rows = choose(24, 21, false, prompt, 3, 99);
            let mut sorted = rows.clone();
            sorted.sort_unstable();
            sorted.dedup();
            assert_eq!(sorted.len(), 21);
            seen[rows[0] as usize] += 1;
        }
        // 5000 / 24 = 208 expected of each, standard deviation 14.
        assert!(seen.iter().all(|&n| n.abs_diff(208) < 70), "{seen:?}");
    }

    #[test]
    fn streams_and_seeds_have_their_own_keys() {
        let keys = [
            key(0, Stream::Init, 0),
            key(0, Stream::Pretrain, 0),
            key(1, Stream::Init, 0),
            key(0, Stream::Eval, 1),
        ];
        for (i, a) in keys.iter().enumerate() {
            assert!(keys[i + 1..].iter().all(|b| a != b));
        }
    }
}
