//! Published models: GGUF files and Hugging Face directories, with their tokenizers and chat templates.

use crate::guard::{Input, Reader};
use crate::{MIB, damaged, directory, tiny, told};
use floe::pretrained::{Message, Pretrained, template};
use std::path::Path;

/// Everything that opening a model reads, and its numbers.
fn opened(path: &Path) -> Result<(), String> {
    let model = told(Pretrained::open(path))?;
    for stored in model.tensors() {
        let mut count = 0;
        told(model.read(&stored.name, |piece| {
            count += piece.len();
            Ok(())
        }))?;
        assert_eq!(count, stored.shape.iter().product::<usize>(), "{}", stored.name);
    }
    let tokenizer = told(model.tokenizer())?;
    let ids = told(tokenizer.encode("The 42 others <|im_start|> \u{1b}½"))?;
    assert!(ids.iter().all(|&id| (id as usize) < tokenizer.len()));
    let _ = told(tokenizer.decode(&ids))?;
    ids.iter().for_each(|id| drop(tokenizer.bytes(*id)));
    if let Some(template) = model.template() {
        let message = Message { role: "user".into(), content: "a".into() };
        told(template::render(path, template, &[message], &template::Tokens::default()))?;
    }
    Ok(())
}

#[test]
fn models() {
    let healthy = tiny::Tiny::new("llama").gguf();
    let (head, data) = healthy.parts();
    Reader {
        name: "models",
        share: 60,
        memory: (64, 8 * MIB),
        make: &|dice| {
            // Headers are what lies; the numbers behind are many.
            let head = damaged(dice, &[&head]);
            Input::file("m.gguf", if dice.one_in(8) { head } else { [head, data.clone()].concat() })
        },
        read: &|dir, _| opened(&dir.join("m.gguf")),
        writes: &[],
    }
    .run();
}

#[test]
fn model_directories() {
    let dir = tempfile::tempdir().expect("a directory");
    let model = tiny::Tiny::new("qwen2").hub(dir.path(), 2, "BF16");
    let names = [
        "config.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "model.safetensors.index.json",
        "model-00001-of-00002.safetensors",
        "model-00002-of-00002.safetensors",
    ];
    let healthy = names.map(|name| (name, std::fs::read(model.join(name)).expect(name)));
    Reader {
        name: "model_directories",
        share: 60,
        memory: (64, 8 * MIB),
        make: &|dice| directory(dice, &healthy),
        read: &|dir, _| opened(dir),
        writes: &[],
    }
    .run();
}
