//! What is said of a value of a wrong type: what was given, what is expected, and how it was probably meant.

use super::tree::{Is, Node};
use super::words::closest;
use toml::Value;

/// What is wrong with `node`, where the default is `like`. `said` is serde's word on it, `choices` the words that the
/// key takes, if it takes only some.
pub(crate) fn wrong(node: &Node, like: &Value, path: &str, said: &str, choices: &[String]) -> String {
    if path == "task.covariance" || path.starts_with("task.covariance.") {
        return covariance(node, said);
    }
    if path == "task.delimiter" {
        let given = format!("no such choice: {}", given(node));
        return format!(r#"{given}; give ",", ";", "|", "\t" or "tab", " " or "space""#);
    }
    if path == "task.decimal" {
        return format!(r#"no such choice: {}; give "." or ",""#, given(node));
    }
    let list = || choices.iter().map(|c| format!("`{c}`")).collect::<Vec<_>>().join(", ");
    let expected = match like {
        Value::Integer(_) => "a whole number, 0 or more".to_string(),
        Value::Float(_) => "a number".to_string(),
        Value::Boolean(_) => "true or false".to_string(),
        Value::Array(_) => "a list in [ ]".to_string(),
        _ if choices.is_empty() => "a text in quotes".to_string(),
        _ => format!("one of {}", list()),
    };
    // serde's words for a date, a list or a table are not a user's.
    let same_shape = matches!((&node.is, like), (Is::Array(_), Value::Array(_)));
    let odd = matches!(&node.is, Is::Array(_) | Is::Table(_) | Is::Value(Value::Datetime(_))) && !same_shape;
    let base = if odd { format!("{}, expected {expected}", given(node)) } else { said.to_string() };
    if node.as_str().is_some_and(|text| text.contains('=') && text.contains(',')) && !like.is_str() {
        return format!("{base}; give every KEY=VALUE one of its own");
    }
    match mend(node, like, choices) {
        Some(mend) => format!("{base}; {mend}"),
        None => base,
    }
}

/// A value as a message shows it.
fn given(node: &Node) -> String {
    match &node.is {
        Is::Value(Value::Datetime(date)) => {
            let kind = match (date.date.is_some(), date.time.is_some()) {
                (true, false) => "date",
                (false, _) => "time",
                _ => "date and time",
            };
            format!("a {kind} ({date})")
        }
        Is::Value(Value::String(text)) => format!("\"{text}\""),
        Is::Value(value) => value.to_string(),
        Is::Array(_) => format!("a list ({})", node.to_value()),
        Is::Table(_) => "a table of settings".into(),
    }
}

/// How a value of a wrong type was probably meant.
fn mend(node: &Node, like: &Value, choices: &[String]) -> Option<String> {
    let text = node.as_str().map(str::trim);
    match like {
        Value::Integer(_) => whole(node).map(|number| format!("write {number}")),
        Value::Float(_) => {
            let text = text?;
            let number = |text: &str| text.parse::<f64>().is_ok_and(f64::is_finite);
            if number(text) {
                return Some(format!("write it without quotes: {text}"));
            }
            let point = text.replacen(',', ".", 1);
            if number(&point) {
                return Some(format!("write it with a point: {point}"));
            }
            let share = text.strip_suffix('%').and_then(|t| t.trim().parse::<f64>().ok())?;
            Some(format!("write {}", share / 100.0))
        }
        Value::Boolean(_) => {
            let given = match &node.is {
                Is::Value(Value::Integer(number)) => number.to_string(),
                _ => text?.to_ascii_lowercase(),
            };
            match given.as_str() {
                "true" | "yes" | "on" | "1" | "y" => Some("write true".into()),
                "false" | "no" | "off" | "0" | "n" => Some("write false".into()),
                _ => None,
            }
        }
        Value::Array(list) => {
            let value = match &node.is {
                Is::Array(_) | Is::Table(_) => return None,
                _ if list.first().is_some_and(|v| !v.is_str()) => {
                    return Some(format!("write it like {}", like));
                }
                Is::Value(Value::String(names)) if names.contains(',') => {
                    let names = names.split(',').map(|name| Value::String(name.trim().into()).to_string());
                    return Some(format!("write [{}]", names.collect::<Vec<_>>().join(", ")));
                }
                _ => node.to_value(),
            };
            Some(format!("write [{value}]"))
        }
        _ => match &node.is {
            Is::Array(list) if list.len() == 1 && !choices.is_empty() => {
                Some("it is one word, not a list".into())
            }
            _ => {
                let names: Vec<&str> = choices.iter().map(String::as_str).collect();
                closest(text?, &names).map(|near| format!("did you mean \"{near}\"?"))
            }
        },
    }
}

/// The whole number that was meant by 1e3, 1000.0, "1000" or "1,000".
fn whole(node: &Node) -> Option<u64> {
    let value = match &node.is {
        Is::Value(Value::Float(value)) => *value,
        _ => {
            let text: String =
                node.as_str()?.chars().filter(|c| !matches!(c, ',' | '_' | ' ' | '\'')).collect();
            text.parse().ok()?
        }
    };
    (value >= 0.0 && value.fract() == 0.0 && value < 1e15).then_some(value as u64)
}

fn covariance(node: &Node, said: &str) -> String {
    let hint = match &node.is {
        Is::Value(Value::String(text)) if text.contains(['.', '/', '\\']) => {
            format!("; a file is named like {{ file = \"{text}\" }}")
        }
        Is::Array(list) if list.iter().any(|row| matches!(row.is, Is::Array(_))) => {
            "; a matrix stands in a file of its own, a row a line".to_string()
        }
        Is::Array(_) => format!("; did you mean {{ diagonal = {} }}?", node.to_value()),
        _ => String::new(),
    };
    let said = match &node.is {
        Is::Array(_) => "a list",
        // serde speaks of unit variants.
        Is::Value(Value::String(text)) if text == "diagonal" || text == "file" => {
            "this choice has a value of its own"
        }
        _ => said,
    };
    format!(r#"{said}{hint}; give "identity", {{ diagonal = [1.0, 2.0, …] }} or {{ file = "sigma.csv" }}"#)
}

pub(crate) fn article(kind: &str) -> String {
    match kind {
        "integer" | "array" => format!("an {kind}"),
        "datetime" => "a date".into(),
        _ => format!("a {kind}"),
    }
}

/// serde's message in a user's words.
pub(crate) fn plain(message: &str) -> String {
    let mut out = message.trim().replace('\n', " ");
    for (rust, words) in [
        ("expected usize", "expected a whole number, 0 or more"),
        ("expected u64", "expected a whole number, 0 or more"),
        ("expected f64", "expected a number"),
        ("expected a boolean", "expected true or false"),
        ("invalid length", "wrong length"),
        ("expected fewer elements in array", "expected fewer elements"),
        ("expected a sequence", "expected a list in [ ]"),
        ("expected an array of length 2", "expected two numbers in [ ]"),
        ("unknown variant", "no such choice:"),
        ("missing field", "a method needs"),
        ("invalid type: ", ""),
        ("invalid value: ", ""),
    ] {
        out = out.replace(rust, words);
    }
    out
}
