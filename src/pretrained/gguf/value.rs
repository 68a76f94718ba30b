//! Values of a GGUF file's metadata.

/// A value; numbers of all widths are one kind.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Any whole number; those beyond 2⁶³ wrap, as no key has them.
    Whole(i64),
    /// Either precision.
    Float(f64),
    /// A truth.
    Flag(bool),
    /// A string.
    Text(String),
    /// An array of strings.
    Texts(Vec<String>),
    /// An array of whole numbers of at most 32 bits.
    Wholes(Vec<i32>),
    /// An array of any other kind, which no key that is read has.
    Other,
}
