//! Linear attention of tiny models, in f64, by its definition.

use super::Tiny;
use floe::pretrained::{FeatureMap, Mixer, Normaliser};
use floe::reference::layers::{Feature, feature, rope};
use floe::reference::linear_attention;
use floe::reference::matmul::{Form, matmul};

impl Tiny {
    /// Linear attention of a layer, by its definition.
    pub fn mixed(&self, mixer: Mixer, name: &str, h: &[f64], [q, k, v]: [&[f64]; 3]) -> Vec<f64> {
        let (d, t) = (&self.decoder, h.len() / self.decoder.width);
        let of = |part: &str| {
            let weight = self.wide(&format!("{name}.self_attn.{part}.weight"));
            matmul(Form::Nt, h, &weight, [t, d.heads, d.width])
        };
        let vector = |part: &str| self.wide(&format!("{name}.self_attn.{part}"));
        let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
        let decay: Option<Vec<f64>> = match mixer {
            Mixer::Retention => {
                let own = |h: usize| (1.0 - 2f64.powi(-5 - h as i32)).ln();
                Some((0..t * d.heads).map(|i| own(i % d.heads)).collect())
            }
            Mixer::Gated => {
                let bias = vector("g_proj.bias");
                let x = of("g_proj");
                Some(x.iter().enumerate().map(|(i, x)| sigmoid(x + bias[i % d.heads]).ln() / 16.0).collect())
            }
            Mixer::GatedDelta => {
                let (a, dt, x) = (vector("A_log"), vector("dt_bias"), of("a_proj"));
                let own = |(i, x): (usize, &f64)| {
                    let h = i % d.heads;
                    -a[h].exp() * (x + dt[h]).exp().ln_1p()
                };
                Some(x.iter().enumerate().map(own).collect())
            }
            _ => None,
        };
        let delta = matches!(mixer, Mixer::Delta | Mixer::GatedDelta);
        let beta: Option<Vec<f64>> = delta.then(|| of("b_proj").iter().map(|x| sigmoid(*x)).collect());
        let positions: Vec<usize> = (0..t).collect();
        let map = |x: &[f64]| match (mixer, d.mixing.feature_map) {
            (Mixer::Retention, _) => rope(x, &positions, d.head_dim, d.theta),
            (Mixer::Delta | Mixer::GatedDelta, _) => feature(x, d.head_dim, Feature::Unit),
            (Mixer::Linear, FeatureMap::Elu) => feature(x, d.head_dim, Feature::Elu),
            (Mixer::Linear, FeatureMap::Relu) => feature(x, d.head_dim, Feature::Relu),
            _ => x.to_vec(),
        };
        let sizes = linear_attention::Sizes {
            heads: d.heads,
            groups: d.kv_heads,
            keys: d.head_dim,
            values: d.head_dim,
        };
        let sequence = linear_attention::Sequence {
            sizes,
            q: &map(q),
            k: &map(k),
            v,
            decay: decay.as_deref(),
            beta: beta.as_deref(),
            initial: None,
            scale: 1.0 / (d.head_dim as f64).sqrt(),
            mean: mixer == Mixer::Linear && d.mixing.normaliser == Normaliser::Mean,
        };
        linear_attention::recurrent(&sequence).out
    }
}
