//! How much of each part of a model is trained, to be read before the first step.

use super::{Need, ParamTable, Spans};
use serde::{Deserialize, Serialize};

/// Trained elements of a model, by group of parameters; `run.json` has it of each phase.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coverage {
    /// Tensors with a trained element, and all.
    pub matched: usize,
    /// Parameters in all.
    pub tensors: usize,
    /// Elements trained, and all.
    pub trained: usize,
    /// Elements in all.
    pub total: usize,
    /// In arena order.
    pub groups: Vec<Group>,
}

/// Tensors that are counted together, such as those of a layer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// Of the group.
    pub name: String,
    /// Parameters that the mask reaches.
    pub matched: usize,
    /// Parameters of the group.
    pub tensors: usize,
    /// Elements that are trained.
    pub trained: usize,
    /// Elements of the group.
    pub total: usize,
}

impl Coverage {
    /// What a mask reaches of a table's groups.
    pub fn of(table: &ParamTable, mask: &Spans) -> Self {
        let mut groups: Vec<Group> = Vec::new();
        for param in &table.params {
            if groups.last().is_none_or(|last| last.name != param.group) {
                let name = param.group.clone();
                groups.push(Group { name, matched: 0, tensors: 0, trained: 0, total: 0 });
            }
            let group = groups.last_mut().expect("pushed above");
            group.tensors += 1;
            group.total += param.len();
            let trained = match table.need(param, mask) {
                Need::None => continue,
                Need::Whole => param.len(),
                Need::Part(spans) => spans.len(),
            };
            group.matched += 1;
            group.trained += trained;
        }
        let sum = |of: fn(&Group) -> usize| groups.iter().map(of).sum();
        Coverage {
            matched: sum(|g| g.matched),
            tensors: sum(|g| g.tensors),
            trained: sum(|g| g.trained),
            total: sum(|g| g.total),
            groups,
        }
    }
}

/// Most runs of groups that a line names.
const NAMED: usize = 6;

impl Coverage {
    /// Where the trained elements are, `in 2 of 4 tensors: layers.0 whole, layers.1 none`; nothing where all are trained.
    pub fn places(&self) -> String {
        if self.trained == self.total {
            return String::new();
        }
        let tensors = format!("in {} of {} tensors", self.matched, self.tensors);
        if self.groups.len() > 1 { format!("{tensors}: {}", self.stretches()) } else { tensors }
    }

    /// Groups in order, neighbours of which as much is trained together: `layers.0 to layers.6 none, layers.7 30 of 60`.
    fn stretches(&self) -> String {
        let alike = |a: &Group, b: &Group| (a.trained, a.total) == (b.trained, b.total);
        let runs: Vec<&[Group]> = self.groups.chunk_by(alike).collect();
        let words = |run: &&[Group]| {
            let (first, last) = (&run[0], &run[run.len() - 1]);
            let (to, each) = match run.len() {
                1 => (String::new(), ""),
                _ => (format!(" to {}", last.name), " each"),
            };
            let share = match first.trained {
                0 => "none".into(),
                n if n == first.total => "whole".into(),
                n => format!("{n} of {}{each}", first.total),
            };
            format!("{}{to} {share}", first.name)
        };
        let named = runs.iter().take(NAMED).map(words).collect::<Vec<_>>().join(", ");
        match runs.len().saturating_sub(NAMED) {
            0 => named,
            more => format!("{named}, and {more} more stretches"),
        }
    }
}

/// One line: what is trained, and how much of which groups.
impl std::fmt::Display for Coverage {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        if self.trained == self.total {
            return write!(f, "trains all {} elements", self.total);
        }
        let share = 100.0 * self.trained as f64 / self.total.max(1) as f64;
        // Two digits that say something.
        let digits = if share >= 10.0 { 0 } else { (1.0 - share.max(1e-6).log10().floor()) as usize };
        let places = self.places();
        write!(f, "trains {} of {} elements ({share:.digits$} %), {places}", self.trained, self.total)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Axis, Init, Param, mask};
    use super::*;

    #[test]
    fn what_is_reached_is_said() {
        let param = |layer: usize, name: &str| {
            let axes = vec![Axis::of("row", 0), Axis::of("col", 1)];
            Param::new(
                format!("layers.{layer}.{name}"),
                vec![40, 50],
                axes,
                Init::Normal(0.1),
                format!("layers.{layer}"),
            )
        };
        let table = ParamTable::new((0..5).flat_map(|layer| ["q", "v"].map(|name| param(layer, name))));
        let said = |patterns: &[&str]| {
            let patterns: Vec<String> = patterns.iter().map(|p| p.to_string()).collect();
            Coverage::of(&table, &mask::resolve(&patterns, &table).unwrap()).to_string()
        };
        assert_eq!(said(&["*"]), "trains all 20000 elements");
        assert_eq!(
            said(&["*.v"]),
            "trains 10000 of 20000 elements (50 %), in 5 of 10 tensors: layers.0 to layers.4 2000 of 4000 each"
        );
        assert_eq!(
            said(&["layers.3.v[row=-1]", "!*[col=0..7]"]),
            "trains 43 of 20000 elements (0.21 %), in 1 of 10 tensors: layers.0 to layers.2 none, layers.3 43 of 4000, layers.4 none"
        );
        let all = Coverage::of(&table, &Spans::all(4000));
        assert_eq!((all.groups[0].trained, all.groups[0].matched, all.groups[1].trained), (4000, 2, 0));
        assert_eq!(all.places(), "in 2 of 10 tensors: layers.0 whole, layers.1 to layers.4 none");
    }
}
