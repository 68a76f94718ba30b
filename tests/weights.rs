//! Weights that other programs saved: what floe takes, and what it says of the rest.

mod common;

use common::*;
use floe::store::checkpoint;
use safetensors::{Dtype, tensor::TensorView};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

const EXPERIMENT: &str = r#"
[task]
dim = 2
[pretrain]
steps = 20
batch = 64
shots = 3
[finetune]
steps = 10
batch = 64
shots = 3
[eval]
prompts = 200
seeds = 1
shots = 3
[[methods]]
name = "zs-v"
loss = "zs"
train = ["*.v"]
"#;

/// A directory with the experiment and a model pre-trained by it.
fn made() -> &'static Path {
    static DIR: OnceLock<PathBuf> = OnceLock::new();
    DIR.get_or_init(|| {
        let dir = shared("weights-made");
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::write(dir.join("small.toml"), EXPERIMENT).unwrap();
        succeed("pretrain", &[&[config()][..], &out(dir.join("own.safetensors"))].concat());
        dir
    })
}

fn config() -> String {
    text(Path::new(env!("CARGO_TARGET_TMPDIR")).join("weights-made/small.toml"))
}

fn own() -> String {
    text(made().join("own.safetensors"))
}

/// The matrices of the model: v, then qk.
fn matrices() -> [Vec<f32>; 2] {
    let own = checkpoint::read(Path::new(&own())).unwrap();
    ["v", "qk"].map(|name| own.tensors[&format!("layers.0.attn.{name}")].data.clone())
}

/// A file as another program saves it.
fn saved(path: &Path, prefix: &str, dtype: Dtype, shape: &[usize]) -> String {
    let bytes = matrices().map(|data| -> Vec<u8> {
        data.iter()
            .flat_map(|&x| match dtype {
                Dtype::F64 => (x as f64).to_le_bytes().to_vec(),
                Dtype::F16 => half::f16::from_f32(x).to_le_bytes().to_vec(),
                Dtype::BF16 => half::bf16::from_f32(x).to_le_bytes().to_vec(),
                Dtype::I32 => (x as i32).to_le_bytes().to_vec(),
                _ => x.to_le_bytes().to_vec(),
            })
            .collect()
    });
    let views = ["v", "qk"].iter().zip(&bytes).map(|(name, bytes)| {
        (format!("{prefix}layers.0.attn.{name}"), TensorView::new(dtype, shape.to_vec(), bytes).unwrap())
    });
    std::fs::write(path, safetensors::serialize(views, None).unwrap()).unwrap();
    text(path)
}

/// The means of `floe eval`.
fn means(more: &[String]) -> Vec<f64> {
    let said = succeed("eval", more);
    let mut reader = csv::Reader::from_reader(said.out.as_bytes());
    reader.records().map(|row| row.unwrap()[3].parse().unwrap()).collect()
}

#[test]
fn weights_of_any_float_prefix_and_shape_are_tested() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("w.safetensors");
    let expected = means(&[own()]);
    for (prefix, dtype, shape, tolerance) in [
        ("", Dtype::F32, &[1, 4, 4][..], 0.0),
        ("", Dtype::F32, &[4, 4], 0.0),
        ("model.", Dtype::F64, &[1, 4, 4], 0.0),
        ("_orig_mod.module.", Dtype::F16, &[4, 4], 1e-2),
        ("module.", Dtype::BF16, &[1, 4, 4], 1e-1),
    ] {
        let file = saved(&path, prefix, dtype, shape);
        let found = means(&[file.clone(), "--config".into(), config()]);
        for (found, expected) in found.iter().zip(&expected) {
            assert!(
                (found - expected).abs() <= tolerance * expected,
                "{prefix} {dtype}: {found}, {expected}"
            );
        }
        let said = say("eval", &[file]);
        said.refuses(1, &["does not say which experiment it belongs to", "--config PRESET|FILE.toml"]);
    }
    let whole = saved(&path, "", Dtype::I32, &[4, 4]);
    say("eval --config", &[config(), whole]).refuses(1, &["is I32; floe reads F32, F16, BF16 and F64"]);
    let wrong = saved(&path, "", Dtype::F32, &[2, 8]);
    say("eval --config", &[config(), wrong]).refuses(1, &["is [2, 8] instead of [1, 4, 4]"]);
}

#[test]
fn training_goes_on_from_given_weights() {
    let dir = tempfile::tempdir().unwrap();
    let [given, a, b] = ["given", "a", "b"].map(|name| dir.path().join(format!("{name}.safetensors")));
    let given = saved(&given, "model.", Dtype::F32, &[4, 4]);
    let from = |file: &str, to: &Path| [&["--from".to_string(), file.to_string()][..], &out(to)].concat();
    let bytes = |path: &Path| std::fs::read(path).unwrap();

    succeed(&format!("finetune --method zs-v --config {}", config()), &from(&given, &a));
    succeed("finetune --method zs-v", &from(&own(), &b));
    assert!(bytes(&a) == bytes(&b), "the same weights of the same experiment");

    // The experiment by its place, by --config, or the checkpoint's own.
    succeed(&format!("pretrain {}", config()), &from(&given, &a));
    succeed(&format!("pretrain --config {}", config()), &from(&given, &b));
    assert!(bytes(&a) == bytes(&b));
    succeed("pretrain", &from(&own(), &b));
    assert!(bytes(&a) == bytes(&b));
    assert!(bytes(&a) != bytes(Path::new(&own())), "it went on, and did not begin again");
    say("pretrain", &from(&given, &a)).refuses(1, &["does not say which experiment", "--config"]);
    say("pretrain", &out(&a)).refuses(2, &["no experiment to pre-train", "PRESET"]);
}

#[test]
fn what_is_no_safetensors_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("w.safetensors");
    let mut zip = b"PK\x03\x04".to_vec();
    zip.resize(400, 0);
    for (bytes, parts) in [
        (zip, ["is a zip archive, as `torch.save` of PyTorch writes it", "safetensors.torch.save_file"]),
        (b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.".to_vec(), ["is a Python pickle", "save_file"]),
        (b"GGUF\x03\0\0\0\0\0\0\0\0\0\0\0".to_vec(), ["is a GGUF file", "convert it"]),
    ] {
        std::fs::write(&path, bytes).unwrap();
        for line in ["eval", "eval --config paper", "finetune --train *.v --out x.safetensors --from"] {
            say(line, &[text(&path)]).refuses(1, &parts);
        }
    }
}
