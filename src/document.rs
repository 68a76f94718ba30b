//! Documents of settings as trees in which every value remembers its place, and what is said of one that can't be meant. Of no
//! particular settings: those are `config`'s.

pub(crate) mod slips;
pub(crate) mod tree;
pub(crate) mod values;
pub(crate) mod words;
