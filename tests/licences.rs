//! Dependencies against `deny.toml`: every licence can be met by the allowed ones, and there is one graphics stack.

use std::collections::BTreeMap;
use std::process::Command;

/// A licence expression (SPDX): `/` is the old spelling of OR, and `WITH` makes a licence of its own.
struct Expression<'a> {
    words: Vec<&'a str>,
    at: usize,
    allowed: &'a [String],
}

impl<'a> Expression<'a> {
    fn met(text: &'a str, allowed: &'a [String]) -> Result<bool, String> {
        let mut words = Vec::new();
        let mut rest = text.trim_start();
        while !rest.is_empty() {
            let end = match rest.find(|c: char| c.is_whitespace() || "()/".contains(c)) {
                Some(0) => 1,
                Some(end) => end,
                None => rest.len(),
            };
            words.push(&rest[..end]);
            rest = rest[end..].trim_start();
        }
        let mut expression = Expression { words, at: 0, allowed };
        let met = expression.any()?;
        match expression.peek() {
            None => Ok(met),
            Some(word) => Err(format!("`{word}` is out of place in `{text}`")),
        }
    }

    fn peek(&self) -> Option<&'a str> {
        self.words.get(self.at).copied()
    }

    fn takes(&mut self, words: &[&str]) -> bool {
        let found = self.peek().is_some_and(|word| words.contains(&word));
        self.at += found as usize;
        found
    }

    fn any(&mut self) -> Result<bool, String> {
        let mut met = self.all()?;
        while self.takes(&["OR", "/"]) {
            met |= self.all()?;
        }
        Ok(met)
    }

    fn all(&mut self) -> Result<bool, String> {
        let mut met = self.one()?;
        while self.takes(&["AND"]) {
            met &= self.one()?;
        }
        Ok(met)
    }

    fn one(&mut self) -> Result<bool, String> {
        if self.takes(&["("]) {
            let met = self.any()?;
            return if self.takes(&[")"]) { Ok(met) } else { Err("a parenthesis is left open".into()) };
        }
        let name = self.peek().ok_or("a licence is missing at the end")?;
        if ["OR", "AND", "WITH", "/", ")"].contains(&name) {
            return Err(format!("`{name}` where a licence belongs"));
        }
        self.at += 1;
        let mut name = name.to_string();
        if self.takes(&["WITH"]) {
            name = format!("{name} WITH {}", self.peek().ok_or("an exception is missing at the end")?);
            self.at += 1;
        }
        Ok(self.allowed.contains(&name))
    }
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
    let allowed = names(&deny["licenses"]["allow"], "");
    let mut wrong = Vec::new();
    let mut copies: BTreeMap<&str, usize> = BTreeMap::new();
    for package in &packages {
        let name = package["name"].as_str().expect("a name");
        *copies.entry(name).or_default() += 1;
        match package["license"].as_str().map(|text| (text, Expression::met(text, &allowed))) {
            Some((_, Ok(true))) => {}
            Some((text, Ok(false))) => wrong.push(format!("{name}: {text} is not among {allowed:?}")),
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
    let allowed = ["MIT", "Zlib", "A WITH e"].map(String::from);
    let met = |text| Expression::met(text, &allowed);
    for text in
        ["MIT", "GPL-3.0 OR MIT", "GPL-3.0/MIT", "MIT AND Zlib", "(GPL-3.0 OR MIT) AND Zlib", "A WITH e"]
    {
        assert_eq!(met(text), Ok(true), "{text}");
    }
    for text in ["GPL-3.0", "MIT AND GPL-3.0", "GPL-3.0 OR MIT AND A", "A", "MIT WITH e", "mit"] {
        assert_eq!(met(text), Ok(false), "{text}");
    }
    for text in ["", "MIT OR", "(MIT", "MIT Zlib", "MIT)", "AND MIT", "MIT WITH"] {
        assert!(met(text).is_err(), "{text}");
    }
}
