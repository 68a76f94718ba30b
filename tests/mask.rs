//! Train masks: what each pattern selects, and what a mistaken one is told.

use floe::config::{Model, QueryKey};
use floe::models::prompt;
use floe::params::{ParamTable, mask};
use proptest::prelude::*;

/// Two layers of two heads with 3×3 matrices: 9 elements a head, 18 a parameter, 72 in all (merged).
fn table(qk: QueryKey) -> ParamTable {
    prompt::table(&Model { layers: 2, heads: 2, qk, ..Model::default() }, 3)
}

/// What patterns select, as elements.
fn resolve(patterns: &[String], table: &ParamTable) -> floe::Result<Vec<u32>> {
    Ok(mask::resolve(patterns, table)?.elements().map(|e| e as u32).collect())
}

fn list(patterns: &[&str]) -> Vec<String> {
    patterns.iter().map(|p| p.to_string()).collect()
}

fn selected(patterns: &[&str]) -> Vec<u32> {
    resolve(&list(patterns), &table(QueryKey::Merged)).unwrap_or_else(|e| panic!("{patterns:?}: {e}"))
}

fn refused(patterns: &[&str]) -> String {
    let error = resolve(&list(patterns), &table(QueryKey::Merged)).expect_err("should be refused");
    assert_eq!(error.exit_code(), 2, "{error}");
    let text = error.to_string();
    assert_eq!(text.lines().count(), 1, "{text:?}");
    text
}

#[test]
fn names_and_globs() {
    assert_eq!(selected(&["*"]), (0..72).collect::<Vec<_>>());
    assert_eq!(selected(&["layers.0.attn.v"]), (0..18).collect::<Vec<_>>());
    assert_eq!(selected(&["layers.1.attn.qk"]), (54..72).collect::<Vec<_>>());
    assert_eq!(selected(&["*.qk"]), (18..36).chain(54..72).collect::<Vec<_>>());
    assert_eq!(selected(&["layers.*.attn.v"]), (0..18).chain(36..54).collect::<Vec<_>>());
    assert_eq!(selected(&["layers.1.*"]), (36..72).collect::<Vec<_>>());
    assert_eq!(selected(&["*1*v*"]), (36..54).collect::<Vec<_>>());
}

#[test]
fn a_letter_is_not_another_matrix() {
    let separate = table(QueryKey::Separate);
    assert_eq!(resolve(&list(&["layers.0.attn.q"]), &separate).unwrap(), (18..36).collect::<Vec<_>>());
    assert_eq!(resolve(&list(&["layers.0.attn.k"]), &separate).unwrap(), (36..54).collect::<Vec<_>>());
    // Nothing is called `q` in a merged model, and `*.k` is not the end of `.qk`.
    assert!(refused(&["*.q"]).contains("layers.0.attn.qk"));
    refused(&["*.k"]);
}

#[test]
fn refinements_select_heads_rows_and_columns() {
    assert_eq!(selected(&["layers.0.attn.v[h=1]"]), (9..18).collect::<Vec<_>>());
    assert_eq!(selected(&["layers.0.attn.v[h=0,row=-1]"]), [6, 7, 8]);
    assert_eq!(selected(&["layers.0.attn.v[row=2]"]), [6, 7, 8, 15, 16, 17]);
    assert_eq!(selected(&["layers.0.attn.v[h=0,col=0]"]), [0, 3, 6]);
    assert_eq!(selected(&["layers.0.attn.v[h=0,row=1,col=-3]"]), [3]);
    assert_eq!(selected(&["layers.0.attn.v[h=-1,row=0..2,col=1..]"]), [10, 11, 13, 14]);
    assert_eq!(selected(&["layers.0.attn.v[h=0,row=..1]"]), [0, 1, 2]);
    assert_eq!(selected(&["layers.0.attn.v[h=0,row=-2..-1]"]), [3, 4, 5]);
    assert_eq!(selected(&["layers.0.attn.v[h=0,row=..]"]), (0..9).collect::<Vec<_>>());
    assert_eq!(selected(&["layers.0.attn.v[ col = 1.. ]"]), [1, 2, 4, 5, 7, 8, 10, 11, 13, 14, 16, 17]);
    assert_eq!(
        selected(&["layers.0.attn.v[col=2,h=0,row=0]"]),
        selected(&["layers.0.attn.v[row=0,h=0,col=2]"])
    );
    assert_eq!(selected(&["*.v[h=0,row=0,col=0]"]), [0, 36]);
}

#[test]
fn lists_unite_sorted_and_exclusions_take_away_in_order() {
    assert_eq!(
        selected(&["layers.1.attn.v[h=0,row=0]", "layers.0.attn.v[h=0,row=0]", "layers.0.attn.v[h=0,col=0]"]),
        [0, 1, 2, 3, 6, 36, 37, 38]
    );
    assert_eq!(selected(&["*", "!*.qk"]), selected(&["*.v"]));
    assert_eq!(selected(&["*.v", "!*[h=0]", "layers.0.attn.v[h=0,row=0,col=0]"])[..3], [0, 9, 10]);
    assert_eq!(selected(&["!*", "*.v"]), selected(&["*.v"]));
    assert!(refused(&["*.v", "!*"]).contains("nothing is left"));
}

#[test]
fn mistakes_are_told() {
    for (patterns, parts) in [
        (vec![], vec!["empty"]),
        (vec![""], vec!["character 1"]),
        (vec!["!"], vec!["character 2"]),
        (vec!["*.w"], vec!["`*.w`", "layers.0.attn.v, layers.0.attn.qk, layers.1.attn.v, layers.1.attn.qk"]),
        (vec!["!*.w"], vec!["layers.0.attn.v"]),
        (vec!["v?"], vec!["character 2", "`?`"]),
        (vec!["*["], vec!["character 3", "h, row or col"]),
        (vec!["*[]"], vec!["character 3"]),
        (vec!["*[head=0]"], vec!["character 3", "h, row or col"]),
        (vec!["*[row]"], vec!["character 6", "`=`"]),
        (vec!["*[row=]"], vec!["character 7"]),
        (vec!["*[row=-]"], vec!["character 8", "digit"]),
        (vec!["*[row=1.2]"], vec!["character 9"]),
        (vec!["*[row=1"], vec!["character 8", "the end"]),
        (vec!["*[row=1,]"], vec!["character 9"]),
        (vec!["*[row=1]x"], vec!["character 9"]),
        (vec!["*[row=1,row=2]"], vec!["character 9", "twice"]),
        (vec!["*[row=99999999999999999999]"], vec!["character 7", "too large"]),
        (vec!["*[row=-9223372036854775808]"], vec!["out of range"]),
        (vec!["*[row=3]"], vec!["row=3", "has 3", "-3 to 2"]),
        (vec!["*[h=-3]"], vec!["h=-3", "has 2"]),
        (vec!["*[col=0..4]"], vec!["4", "has 3"]),
        (vec!["*[col=2..2]"], vec!["empty"]),
        (vec!["*[col=2..1]"], vec!["empty"]),
        (vec!["*\n"], vec!["\\n"]),
    ] {
        let text = refused(&patterns);
        for part in parts {
            assert!(text.contains(part), "{patterns:?}: `{part}` is not in: {text}");
        }
    }
}

#[test]
fn many_names_are_listed_in_part() {
    let deep = prompt::table(&Model { layers: 50, ..Model::default() }, 3);
    let text = resolve(&list(&["nothing"]), &deep).unwrap_err().to_string();
    assert!(text.contains("100 in all") && !text.contains("layers.30"), "{text}");
}

#[test]
fn a_glob_of_many_stars_is_quick() {
    let stars = "*a".repeat(2000) + "b";
    refused(&[&stars]);
}

proptest! {
    #[test]
    fn any_text_is_an_answer_or_one_line(text in "\\PC*|[!*.lv\\[\\]=,hrowcl0-9 -]{0,30}") {
        match resolve(std::slice::from_ref(&text), &table(QueryKey::Merged)) {
            Ok(indexes) => {
                prop_assert!(indexes.is_sorted_by(|a, b| a < b));
                prop_assert!(indexes.iter().all(|i| *i < 72));
            }
            Err(e) => prop_assert_eq!(e.to_string().lines().count(), 1),
        }
    }

    /// Against plain slicing of the axes.
    #[test]
    fn a_range_is_a_slice(h in -2i64..2, a in 0usize..3, b in 1usize..4, c in -3i64..3) {
        let pattern = format!("layers.1.attn.v[h={h},row={a}..{b},col={c}]");
        let head = if h < 0 { h + 2 } else { h } as usize;
        let col = if c < 0 { c + 3 } else { c } as usize;
        let want: Vec<u32> = (a..b).map(|row| (36 + head * 9 + row * 3 + col) as u32).collect();
        match resolve(&[pattern], &table(QueryKey::Merged)) {
            Ok(got) => prop_assert_eq!(got, want),
            Err(_) => prop_assert!(want.is_empty()),
        }
    }
}
