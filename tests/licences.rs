//! Dependencies against `deny.toml`: every licence can be met by the allowed ones, and there is one graphics stack.

use spdx::{Expression, Licensee, ParseMode};
use std::collections::BTreeMap;
use std::process::Command;

/// Whether a licence expression (SPDX; `/` is the old spelling of OR) can be met by the allowed licences alone.
fn met(text: &str, allowed: &[Licensee]) -> Result<bool, String> {
    let mode = ParseMode { allow_slash_as_or_operator: true, ..ParseMode::STRICT };
    let expression = Expression::parse_mode(text, mode).map_err(|e| e.to_string())?;
    Ok(expression.evaluate(|wanted| allowed.iter().any(|licence| licence.satisfies(wanted))))
}

fn licences(names: &[String]) -> Vec<Licensee> {
    names.iter().map(|name| Licensee::parse(name).unwrap_or_else(|e| panic!("{name}: {e}"))).collect()
}

fn deny() -> toml::Table {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/deny.toml");
    std::fs::read_to_string(path).expect("deny.toml").parse().expect("deny.toml is TOML")
}

/// Names in a list of strings, or under `key` in a list of tables.
fn names(list: &toml::Value, key: &str) -> Vec<String> {
    let name = |v: &toml::Value| v.as_str().or_else(|| v.get(key)?.as_str()).expect("a name").to_string();
    list.as_array().expect("a list").iter().map(name).collect()
}

/// Every package of every platform that Cargo.lock names.
fn packages() -> Vec<serde_json::Value> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--locked"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo can be run");
    assert!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).expect("cargo prints JSON");
    metadata["packages"].as_array().expect("packages").clone()
}

#[test]
fn every_licence_is_allowed_and_there_is_one_graphics_stack() {
    let (deny, packages) = (deny(), packages());
    assert!(packages.len() > 50, "{} packages", packages.len());
    let names_allowed = names(&deny["licenses"]["allow"], "");
    let allowed = licences(&names_allowed);
    let mut wrong = Vec::new();
    let mut copies: BTreeMap<&str, usize> = BTreeMap::new();
    for package in &packages {
        let name = package["name"].as_str().expect("a name");
        *copies.entry(name).or_default() += 1;
        match package["license"].as_str().map(|text| (text, met(text, &allowed))) {
            Some((_, Ok(true))) => {}
            Some((text, Ok(false))) => wrong.push(format!("{name}: {text} is not among {names_allowed:?}")),
            Some((_, Err(why))) => wrong.push(format!("{name}: {why}")),
            None => wrong.push(format!("{name}: no licence is named")),
        }
        let source = package["source"].as_str();
        if name != "floe" && !source.is_some_and(|s| s.starts_with("registry+")) {
            wrong.push(format!("{name}: comes from {source:?}, not from the registry"));
        }
    }
    for single in names(&deny["bans"]["deny"], "crate") {
        match copies.get(single.as_str()) {
            Some(1) => {}
            Some(count) => wrong.push(format!("{single}: {count} versions")),
            None => wrong.push(format!("{single}: named in deny.toml, but nothing depends on it")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn expressions_are_read_as_they_bind() {
    let allowed = licences(&["MIT", "Zlib", "Apache-2.0 WITH LLVM-exception"].map(String::from));
    let met = |text| met(text, &allowed);
    for text in [
        "MIT",
        "GPL-3.0-only OR MIT",
        "GPL-3.0-only/MIT",
        "MIT AND Zlib",
        "(GPL-3.0-only OR MIT) AND Zlib",
        "Apache-2.0 WITH LLVM-exception",
    ] {
        assert_eq!(met(text), Ok(true), "{text}");
    }
    for text in ["GPL-3.0-only", "MIT AND GPL-3.0-only", "GPL-3.0-only OR MIT AND ISC", "Apache-2.0"] {
        assert_eq!(met(text), Ok(false), "{text}");
    }
    for text in ["", "MIT OR", "(MIT", "MIT Zlib", "MIT)", "AND MIT", "MIT WITH", "no licence"] {
        assert!(met(text).is_err(), "{text}");
    }
}
