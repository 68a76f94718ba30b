//! Which tokens of a file are trained on, and which count.

use super::given;
use super::tiny::id_of;
use floe::config::{Format, Long, TextTask};
use floe::pretrained::Pretrained;
use floe::text::{self, Language, Sequence, Texts};
use std::path::{Path, PathBuf};

/// Reads files of a task, all of them to train on but for what is kept back.
pub fn read(model: &Path, files: &[PathBuf], change: impl Fn(&mut TextTask)) -> Result<Texts, String> {
    let model = Pretrained::open(model).unwrap();
    let tokenizer = model.tokenizer().unwrap();
    let mut task = TextTask { train: files.to_vec(), context: 40, holdout: 1e-9, ..TextTask::default() };
    change(&mut task);
    text::open(&task, &Language { model: &model, tokenizer: &tokenizer }).map_err(|e| e.to_string())
}

fn all(texts: &Texts) -> Vec<Sequence> {
    texts.train.iter().chain(&texts.validation).cloned().collect()
}

/// What is written, with what counts in brackets.
fn marked(model: &Path, sequence: &Sequence) -> String {
    let model = Pretrained::open(model).unwrap();
    let tokenizer = model.tokenizer().unwrap();
    let mut words = String::new();
    let mut inside = false;
    for (i, id) in sequence.ids.iter().enumerate() {
        let counts = sequence.counted.iter().any(|range| range.contains(&i));
        if counts != inside {
            words.push(if counts { '[' } else { ']' });
            inside = counts;
        }
        let bytes = tokenizer.bytes(*id).unwrap_or_else(|| tokenizer.token(*id).unwrap().into_bytes());
        words += &String::from_utf8_lossy(&bytes);
    }
    if inside {
        words.push(']');
    }
    words
}

#[test]
fn answers_count_with_what_ends_them() {
    let given = given("llama");
    let chats = given.write(
        "chats.jsonl",
        "{\"messages\": [{\"role\": \"system\", \"content\": \"s\"}, {\"role\": \"user\", \"content\": \"hi\"},\
         {\"role\": \"assistant\", \"content\": \"yo\"}, {\"role\": \"user\", \"content\": \"bye\"},\
         {\"role\": \"assistant\", \"content\": \"ok\"}, {\"role\": \"user\", \"content\": \"unheard\"}]}\n",
    );
    let texts = read(&given.model, &[chats], |task| task.context = 96).unwrap();
    assert_eq!(
        marked(&given.model, &all(&texts)[0]),
        "<|im_start|>system\ns<|im_end|>\n<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n[yo<|im_end|>]\n<|im_start|>user\n\
         bye<|im_end|>\n<|im_start|>assistant\n[ok<|im_end|>]\n"
    );
    let pairs = given.write(
        "pairs.jsonl",
        "{\"prompt\": \"Q: a\\nA:\", \"completion\": \" the b\"}\n\n{\"prompt\": \"x\", \"completion\": \"y\"}\n",
    );
    let texts = read(&given.model, &[pairs], |_| {}).unwrap();
    let mut found: Vec<String> = all(&texts).iter().map(|own| marked(&given.model, own)).collect();
    found.sort();
    assert_eq!(found, ["Q: a\nA:[ the b<|im_end|>]", "x[y<|im_end|>]"]);
    assert_eq!(texts.counts.examples, 2);
    // Another field, and another name's file of the same kind.
    let named = given.write("named.json", "{\"q\": \"x\", \"a\": \"y\"}\n{\"q\": \"z\", \"a\": \"w\"}\n");
    let texts =
        read(&given.model, &[named], |task| (task.prompt, task.completion) = ("q".into(), "a".into()));
    assert_eq!(texts.unwrap().counts.examples, 2);
}

#[test]
fn texts_are_cut_and_end() {
    let given = given("qwen2");
    let lines = given.write("t.jsonl", "{\"text\": \"abcdefghijklmnopqrstuvwxyz\"}\n{\"text\": \"b\"}\n");
    let texts = read(&given.model, &[lines], |task| task.context = 10).unwrap();
    let mut found: Vec<String> = all(&texts).iter().map(|own| marked(&given.model, own)).collect();
    found.sort();
    assert_eq!(found, ["a[bcdefghij]", "b[<|im_end|>]", "k[lmnopqrst]", "u[vwxyz<|im_end|>]"]);
    let plain = given.write("t.txt", "\u{feff}abcdefghijk");
    let texts = read(&given.model, &[plain], |task| task.context = 10).unwrap();
    // A last token alone foretells nothing.
    assert_eq!(marked(&given.model, &all(&texts)[0]), "a[bcdefghij]");
    assert_eq!(all(&texts).len(), 1);
    let long = given.write(
        "long.jsonl",
        "{\"prompt\": \"abc\", \"completion\": \"defgh\"}\n{\"prompt\": \"a\", \"completion\": \"b\"}",
    );
    let with = |long_: Long| {
        read(&given.model, std::slice::from_ref(&long), |task| (task.long, task.context) = (long_, 5))
            .map(|texts| (all(&texts), texts.counts))
    };
    let (dropped, counts) = with(Long::Drop).unwrap();
    assert_eq!((dropped.len(), counts.dropped, counts.cut), (1, 1, 0));
    let (cut, counts) = with(Long::Cut).unwrap();
    assert_eq!((cut.len(), counts.dropped, counts.cut), (2, 0, 1));
    assert!(cut.iter().any(|own| marked(&given.model, own) == "abc[de]"));
    let refused = with(Long::Refuse).unwrap_err();
    assert!(
        refused.contains("long.jsonl") && refused.contains("line 1") && refused.contains("task.context = 5"),
        "{refused}"
    );
}

#[test]
fn what_is_kept_back_is_never_trained_on() {
    let given = given("llama");
    let texts = read(&given.model, std::slice::from_ref(&given.text), |task| {
        (task.holdout, task.context) = (0.2, 12)
    })
    .unwrap();
    assert!(!texts.validation.is_empty());
    assert!(texts.validation.iter().all(|own| !texts.train.contains(own)));
    let own = given.write("v.txt", "quite another text, to validate on");
    let texts =
        read(&given.model, std::slice::from_ref(&given.text), |task| task.validation = vec![own.clone()])
            .unwrap();
    assert!(marked(&given.model, &texts.validation[0]).starts_with("q[uite"));
    assert_eq!(texts.read.files.len(), 2);
    assert_eq!(id_of("<|im_end|>"), 263);
}

#[test]
fn a_line_that_is_wrong_is_named() {
    let given = given("llama");
    let good = "{\"text\": \"abc\"}\n";
    let cases: [(&str, &str, &[&str]); 16] = [
        (
            "a.jsonl",
            "{\"text\": \"a\"}\n{\"txet\": \"b\"}\n",
            &["line 2", "no field `text`", "txet", "task.field"],
        ),
        ("a.jsonl", "{\"text\": \"a\"}\n\n{\"text\": 3}\n", &["line 3", "`text` is no text"]),
        ("a.jsonl", "{\"text\": \"  \"}\n", &["line 1", "`text` is empty"]),
        ("a.jsonl", "{\"text\": \"a\"}\n{\"text\": \n", &["line 2", "is no JSON at column"]),
        ("a.jsonl", "{\"text\": \"a\"}\n[1]\n", &["line 2", "no object"]),
        ("a.json", "[\n{\"text\": \"a\"}\n]\n", &["line 1", "several lines", "an object a line"]),
        (
            "a.jsonl",
            "{\"x\": 1}\n",
            &["line 1", "no field `text`, none `prompt` with `completion`", "task.messages"],
        ),
        (
            "a.jsonl",
            "{\"prompt\": \"a\", \"completion\": \"b\"}\n{\"prompt\": \"a\"}\n",
            &["line 2", "no field `completion`"],
        ),
        ("a.jsonl", "{\"messages\": []}\n", &["line 1", "no list of messages"]),
        ("a.jsonl", "{\"messages\": [{\"role\": \"user\"}]}\n", &["line 1", "message 1", "`content`"]),
        (
            "a.jsonl",
            "{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}]}\n",
            &["line 1", "has no answer", "`assistant`"],
        ),
        ("a.txt", "", &["has no text in it"]),
        ("a.txt", "x", &["nothing to fine-tune on"]),
        ("a.txt", "\u{0}\u{1}", &[]),
        ("b.jsonl", "{\"text\": \"\\u001b[31mred\"}\nnot \u{1b}[31m json", &["line 2", "is no JSON"]),
        ("c.jsonl", good, &[]),
    ];
    for (name, words, parts) in cases {
        let path = given.write(name, words);
        match (read(&given.model, &[path], |_| {}), parts) {
            (Ok(_), []) => {}
            (Err(said), parts) if !parts.is_empty() => {
                parts.iter().chain(&[name]).for_each(|part| assert!(said.contains(part), "{part}: {said}"));
                assert!(!said.contains('\u{1b}') && !said.contains('\n'), "{said:?}");
            }
            (other, _) => panic!("{words:?}: {other:?}"),
        }
    }
    let bytes = given.path("d.txt");
    std::fs::write(&bytes, b"\xff\xfe\x00").unwrap();
    assert!(read(&given.model, &[bytes], |_| {}).unwrap_err().contains("is not UTF-8"));
    assert!(
        read(&given.model, &[given.path("none.txt")], |_| {}).unwrap_err().contains("there is no such file")
    );
    // Asked for by name, a kind is not guessed.
    let odd = given.write("e.data", "{\"text\": \"abc\"}\n");
    assert_eq!(read(&given.model, &[odd], |task| task.format = Format::Jsonl).unwrap().counts.examples, 1);
}
