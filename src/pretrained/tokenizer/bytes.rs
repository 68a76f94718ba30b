//! GPT-2's alphabet of bytes: each of the 256 is a character that can be seen (Radford et al. 2019).

/// The bytes of a token in that alphabet, or in SentencePiece's where it has `▁` for a space and `<0x0A>` for a byte.
pub fn of(token: &str) -> Option<Vec<u8>> {
    if let Some(hex) = token.strip_prefix("<0x").and_then(|rest| rest.strip_suffix('>'))
        && let Ok(byte) = u8::from_str_radix(hex, 16)
    {
        return Some(vec![byte]);
    }
    if token.contains('▁') {
        return Some(token.replace('▁', " ").into_bytes());
    }
    token.chars().map(byte).collect()
}

/// Bytes that stand for themselves: what is printed, and neither a space nor a soft hyphen.
fn is_own(byte: u8) -> bool {
    matches!(byte, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff)
}

/// The others are characters 256, 257 … in order.
fn byte(c: char) -> Option<u8> {
    let code = c as u32;
    match u8::try_from(code) {
        Ok(byte) => is_own(byte).then_some(byte),
        Err(_) => (0..=255).filter(|&b| !is_own(b)).nth(code as usize - 256),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_bytes() {
        assert_eq!(of("ĠParis").unwrap(), b" Paris");
        assert_eq!(of("ĊĊ").unwrap(), b"\n\n");
        assert_eq!(of("Â½").unwrap(), "½".as_bytes());
        assert_eq!(of("<0x0A>").unwrap(), b"\n");
        assert_eq!(of("▁the").unwrap(), b" the");
        assert_eq!(of("日"), None);
    }

    #[test]
    fn every_byte_is_a_character_and_back() {
        let mut found: Vec<u8> = (0..400).filter_map(char::from_u32).filter_map(byte).collect();
        found.sort_unstable();
        assert_eq!(found, (0..=255).collect::<Vec<u8>>());
    }
}
