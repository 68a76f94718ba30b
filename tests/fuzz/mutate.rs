//! Inputs that nearly are what a reader takes: healthy ones, damaged in the ways that files are damaged and attacked.

use floe::random::rng::pcg4d;

/// Random numbers of one input: the same whenever the input is made again.
pub struct Dice {
    counter: u32,
    key: [u32; 3],
    left: Vec<u32>,
}

impl Dice {
    /// Those of input `number` of a reader.
    pub fn new(seed: u32, reader: &str, number: u64) -> Self {
        let name = reader.bytes().fold(seed, |hash, b| hash.wrapping_mul(31).wrapping_add(b.into()));
        Dice { counter: 0, key: [number as u32, (number >> 32) as u32, name], left: Vec::new() }
    }

    fn next(&mut self) -> u32 {
        if self.left.is_empty() {
            let [a, b, c] = self.key;
            self.left = pcg4d([self.counter, a, b, c]).to_vec();
            self.counter += 1;
        }
        self.left.pop().unwrap_or_default()
    }

    /// 0 … n − 1; 0 if there is nothing to choose from.
    pub fn below(&mut self, n: usize) -> usize {
        self.next() as usize % n.max(1)
    }

    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub fn pick<'a, T: ?Sized>(&mut self, items: &[&'a T]) -> &'a T {
        items[self.below(items.len())]
    }
}

/// What no honest file holds, and what shows on a terminal or page when it is not escaped.
const HOSTILE: &[&[u8]] = &[
    b"\x1b[2J\x1b]0;owned\x07",
    b"\x1b[31m",
    b"\0",
    b"\x07",
    b"\x08",
    b"\x7f",
    b"\r",
    b"\r\n",
    b"\n\n",
    b"\t",
    b"\x0b\x0c",
    "\u{9b}31m".as_bytes(),
    "\u{85}".as_bytes(),
    "\u{202e}".as_bytes(),
    "\u{2066}\u{2069}".as_bytes(),
    "\u{2028}".as_bytes(),
    "\u{feff}".as_bytes(),
    "e\u{301}".as_bytes(),
    "θ₀🦀".as_bytes(),
    b"\xff",
    b"\xc0\x80",
    b"\xed\xa0\x80",
    b"\xf4\x90\x80\x80",
    b"\xe2\x82",
    b"</script><script>",
    b"{{ x }}{% y %}",
    b"\\u001b\\u0000",
    b"\\ud800",
    b"%s%n",
    b"../../",
];

/// What separates, opens and closes.
const STRUCTURE: &[&[u8]] = &[
    b"\"",
    b"\"\"\"",
    b"'",
    b"''",
    b",",
    b";",
    b"=",
    b"#",
    b":",
    b".",
    b"[",
    b"]",
    b"{",
    b"}",
    b"[[",
    b"]]",
    b"!",
    b"*",
    b"-",
    b" ",
    b"\\",
    b"\n",
    b"null",
    b"true",
    b"[sweep]\n",
    b"[[methods]]\n",
    b"{}",
    b"[]",
    b"..",
];

/// In place of a number.
const NUMBERS: &[&[u8]] = &[
    b"0",
    b"-1",
    b"1e400",
    b"-1e400",
    b"1e308",
    b"1e-400",
    b"5e-324",
    b"nan",
    b"inf",
    b"-inf",
    b"NaN",
    b"Infinity",
    b"2147483648",
    b"4294967295",
    b"4294967296",
    b"9007199254740993",
    b"9223372036854775807",
    b"9223372036854775808",
    b"18446744073709551615",
    b"18446744073709551616",
    b"99999999999999999999999999999999999999999",
    b"0.30000000000000000000000000000000000000004",
    b"1_000",
    b"0x10",
    b"007",
    b"+5",
    b".5",
    b"5.",
    b"1e",
    b"1979-05-27",
    b"[1, 2, 3]",
    b"{ a = 1 }",
    b"\"7\"",
];

/// Lengths that a safetensors header may claim.
const LENGTHS: &[u64] =
    &[0, 1, 7, 8, 99_999_999, 100_000_001, u64::MAX, u64::MAX - 7, 1 << 32, i64::MAX as u64];

/// `bytes` with one to five kinds of damage; `other` is what pieces are spliced in from.
pub fn mutate(dice: &mut Dice, bytes: &[u8], other: &[u8]) -> Vec<u8> {
    let mut out = bytes.to_vec();
    loop {
        damage(dice, &mut out, other);
        if dice.one_in(2) || out.len() > 1 << 16 {
            return out;
        }
    }
}

fn damage(dice: &mut Dice, out: &mut Vec<u8>, other: &[u8]) {
    let at = dice.below(out.len() + 1);
    match dice.below(13) {
        0 => flip(dice, out),
        1 => out.truncate(at),
        2 => drop(out.drain(span(dice, out.len()))),
        3 => {
            let piece = out[span(dice, out.len())].repeat(1 + dice.below(20));
            insert(out, at, &piece);
        }
        4 => {
            let piece = other[span(dice, other.len())].to_vec();
            insert(out, at, &piece);
        }
        5 | 6 => {
            let piece = dice.pick(HOSTILE);
            insert(out, at, piece);
        }
        7 | 8 => number(dice, out),
        9 => lines(dice, out),
        10 => {
            let piece = dice.pick(STRUCTURE);
            insert(out, at, piece);
        }
        11 => {
            let deep = if dice.one_in(20) { 20_000 } else { 200 };
            let piece = dice
                .pick(&[&b"["[..], b"{", b"{\"a\":", b"[[", b"{a=", b"a.", b"\""])
                .repeat(dice.below(deep));
            insert(out, at, &piece);
        }
        _ => {
            let length = match dice.below(4) {
                0 => (out.len() as u64).wrapping_sub(dice.below(20) as u64),
                1 => dice.below(4096) as u64,
                _ => LENGTHS[dice.below(LENGTHS.len())],
            };
            let n = out.len().min(8);
            // A file that is no safetensors loses its beginning.
            out[..n].copy_from_slice(&length.to_le_bytes()[..n]);
        }
    }
}

fn insert(out: &mut Vec<u8>, at: usize, piece: &[u8]) {
    out.splice(at..at, piece.iter().copied());
}

fn flip(dice: &mut Dice, out: &mut [u8]) {
    if !out.is_empty() {
        let at = dice.below(out.len());
        out[at] ^= 1 << dice.below(8);
    }
}

/// A stretch, mostly a short one.
fn span(dice: &mut Dice, len: usize) -> std::ops::Range<usize> {
    let start = dice.below(len + 1);
    let most = if dice.one_in(4) { len } else { 24 };
    start..(start + dice.below(most + 1)).min(len)
}

/// Replaces a number.
fn number(dice: &mut Dice, out: &mut Vec<u8>) {
    let digit = |b: &u8| b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'e');
    let from = dice.below(out.len() + 1);
    let Some(start) = out[from..].iter().position(u8::is_ascii_digit).map(|at| from + at) else { return };
    let end = start + out[start..].iter().position(|b| !digit(b)).unwrap_or(out.len() - start);
    out.splice(start..end, dice.pick(NUMBERS).iter().copied());
}

/// Doubles, drops or swaps lines: a key twice, a table without its header.
fn lines(dice: &mut Dice, out: &mut Vec<u8>) {
    let mut lines: Vec<Vec<u8>> = out.split(|b| *b == b'\n').map(<[u8]>::to_vec).collect();
    let (a, b) = (dice.below(lines.len()), dice.below(lines.len()));
    match dice.below(3) {
        0 => lines.insert(b, lines[a].clone()),
        1 => drop(lines.remove(a)),
        _ => lines.swap(a, b),
    }
    *out = lines.join(&b'\n');
}
