//! The symbols, and the size arithmetic that model, kernels and masks share.
//!
//! | symbol | meaning |
//! | --- | --- |
//! | d | covariates an example (`dim`) |
//! | D | token width, d + 2: a token is (1, x, y) (`width`) |
//! | n | demonstrations in a prompt, its shots |
//! | N | tokens in a prompt, n + 1 with the query |
//! | L, H | layers, heads |
//! | B | prompts in a batch |
//! | M | models that take the same prompts |

/// Size of a linear transformer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// L.
    pub layers: usize,
    /// H.
    pub heads: usize,
    /// Covariates an example, d.
    pub dim: usize,
}

impl Shape {
    /// D, the width of a token.
    pub fn width(&self) -> usize {
        self.dim + 2
    }

    /// Elements of one attention tensor [H, D, D].
    pub fn tensor(&self) -> usize {
        self.heads * self.width() * self.width()
    }

    /// Elements of the effective weights, [L][V | QK][H, D, D].
    pub fn weights(&self) -> usize {
        self.layers * 2 * self.tensor()
    }

    /// Words from one model's effective weights to the next one's: whole vec4.
    pub fn weights_stride(&self) -> usize {
        self.weights().next_multiple_of(4)
    }
}

/// Models of one shape that take the same prompts, M of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Models {
    /// M.
    pub count: usize,
    /// Models that an invocation works through with each prompt it draws.
    pub group: usize,
}

impl Models {
    /// A single model.
    pub const ONE: Models = Models { count: 1, group: 1 };

    /// Groups, the last of which may be short.
    pub fn groups(&self) -> usize {
        self.count.div_ceil(self.group)
    }

    /// Models of whole groups: places in buffers. Those beyond `count` are computed and not used.
    pub fn places(&self) -> usize {
        self.groups() * self.group
    }
}

/// Which blocks of a batch's gradient are computed, and where each stands.
///
/// Blocks are, a layer at a time, V [H, D, D] (the last layer has but the last row of each head, [H, D]: the loss
/// reads no other) and QK [H, D, D]. A block that nothing trained needs takes no place and no arithmetic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GradLayout {
    /// Of the model.
    pub shape: Shape,
    /// Per layer: V is needed.
    pub v: Vec<bool>,
    /// Per layer: the merged QK is needed.
    pub qk: Vec<bool>,
    /// Per layer: where V starts (0 where it is not needed).
    pub at_v: Vec<usize>,
    /// Per layer: where QK starts (0 where it is not needed).
    pub at_qk: Vec<usize>,
    /// Elements in all.
    pub entries: usize,
}

impl GradLayout {
    /// `v[l]` and `qk[l]` tell which blocks are needed.
    pub fn new(shape: Shape, v: Vec<bool>, qk: Vec<bool>) -> Self {
        let (mut at_v, mut at_qk, mut entries) = (Vec::new(), Vec::new(), 0);
        for layer in 0..shape.layers {
            at_v.push(if v[layer] { entries } else { 0 });
            if v[layer] {
                entries +=
                    if layer + 1 == shape.layers { shape.heads * shape.width() } else { shape.tensor() };
            }
            at_qk.push(if qk[layer] { entries } else { 0 });
            if qk[layer] {
                entries += shape.tensor();
            }
        }
        GradLayout { shape, v, qk, at_v, at_qk, entries }
    }

    /// Every block.
    pub fn full(shape: Shape) -> Self {
        GradLayout::new(shape, vec![true; shape.layers], vec![true; shape.layers])
    }

    /// Place of the gradient of `V[layer][element]`, `[H, D, D]`; none where it is structurally zero or not computed.
    pub fn entry_v(&self, layer: usize, element: usize) -> Option<usize> {
        if !self.v[layer] {
            return None;
        }
        if layer + 1 < self.shape.layers {
            return Some(self.at_v[layer] + element);
        }
        let width = self.shape.width();
        let (head, row, col) = (element / (width * width), element / width % width, element % width);
        (row + 1 == width).then_some(self.at_v[layer] + head * width + col)
    }

    /// Place of the gradient of `QK[layer][element]`, `[H, D, D]`; none where it is not computed.
    pub fn entry_qk(&self, layer: usize, element: usize) -> Option<usize> {
        self.qk[layer].then_some(self.at_qk[layer] + element)
    }
}
