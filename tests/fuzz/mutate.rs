//! Mutations: bytes in, other bytes out, the same for the same seed.

/// The largest input that is made.
pub const LARGEST: usize = 64 << 10;

/// xorshift64* (Vigna, 2016): small, and the same everywhere.
pub struct Random(u64);

impl Random {
    /// Of a seed and a name, so that each target has a sequence of its own.
    pub fn new(seed: u64, name: &str) -> Self {
        // FNV-1a; zero is the one state that xorshift cannot leave.
        let hash = name
            .bytes()
            .fold(seed ^ 0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        let mut random = Self(hash | 1);
        for _ in 0..4 {
            random.next();
        }
        random
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// From 0 to `end`, which it never is; 0 where there is nothing to choose from.
    pub fn below(&mut self, end: usize) -> usize {
        if end == 0 { 0 } else { usize::try_from(self.next() >> 11).unwrap_or_default() % end }
    }

    pub fn one_in(&mut self, chances: usize) -> bool {
        self.below(chances) == 0
    }

    pub fn choose<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }
}

/// Words that parsers have stumbled over.
const TOKENS: &[&[u8]] = &[
    b"../",
    b"/../../../etc/passwd",
    b"/etc/cron.d/x",
    b"..",
    b"./",
    b"//",
    b"\0",
    b"\n",
    b"\n\n",
    b"\r",
    b"\r\n",
    b"\t",
    b" ",
    b"\x0b",
    b"\x0c",
    b"\x1b[2J",
    b"\x1b]0;x\x07",
    b"\x7f",
    b"\xc2\x9b31m",
    "\u{202e}".as_bytes(),
    "\u{2028}".as_bytes(),
    "\u{2067}".as_bytes(),
    "\u{feff}".as_bytes(),
    "\u{a0}".as_bytes(),
    "\u{85}".as_bytes(),
    "é".as_bytes(),
    "ẞ".as_bytes(),
    "İ".as_bytes(),
    "ﬁ".as_bytes(),
    "😀".as_bytes(),
    "٣".as_bytes(),
    "\u{10ffff}".as_bytes(),
    b"\xed\xa0\x80",
    b"\xff\xfe",
    b"\xc0\xaf",
    b"\xf8\x88\x80\x80\x80",
    b"\xe2\x82",
    b"0",
    b"-1",
    b"-0",
    b"+1",
    b"00",
    b"65536",
    b"2147483648",
    b"4294967295",
    b"9223372036854775807",
    b"-9223372036854775808",
    b"18446744073709551615",
    b"18446744073709551616",
    b"99999999999999999999999999999999",
    b"1e999",
    b"0x7fffffff",
    b"1_000",
    b"NaN",
    b"%",
    b"%%",
    b"%s",
    b"%n",
    b"%(",
    b"%(x)s",
    b"%(here)s",
    b"%(process_num)99999999d",
    b"%(program_name).99999999s",
    b"%2e%2e%2f",
    b"%zz",
    b"$",
    b"$$",
    b"${",
    b"${HOME}",
    b"${env:HOME}",
    b"$(",
    b"$(id)",
    b"`id`",
    b"'",
    b"\"",
    b"\"\"\"",
    b"'''",
    b"\\",
    b"\\\n",
    b"\\u0000",
    b"\\ud800",
    b"=",
    b"==",
    b":",
    b"::",
    b";",
    b"#",
    b"# ",
    b",",
    b"@",
    b"!",
    b"*",
    b"**",
    b"?",
    b"-",
    b"--",
    b"--hash=sha256:",
    b"-r requirements.txt\n",
    b"-e .",
    b"git+ssh://-oProxyCommand=x/y",
    b"file:///etc/shadow",
    b"https://user:pw@[::1]:99999/",
    b"[",
    b"]",
    b"[[",
    b"{",
    b"}",
    b"{{",
    b"}}",
    b"{{{",
    b"{{#if x}}",
    b"{{/if}}",
    b"{{#each x}}",
    b"{{this}}",
    b"(",
    b")",
    b"<",
    b">",
    b"<a href=",
    b"~",
    b"null",
    b"true",
    b"[]",
    b"{}",
    b"\n ",
    b"\n .\n",
    b": ",
    b" = ",
    b"Format: 1\n",
    b"\n[DEFAULT]\n",
];

/// Pieces that are repeated until an input is deep, wide or long.
const REPEATED: &[&[u8]] = &[
    b"[",
    b"{",
    b"(",
    b"((",
    b"{{#if a}}",
    b"{\"a\":",
    b"[a]",
    b"\\",
    b"\"",
    b"'",
    b"%",
    b"$",
    b"${",
    b"$(",
    b"a",
    b"A.",
    b".",
    b"-",
    b"a-",
    b"0",
    b"9",
    b" ",
    b"\t",
    b"\n",
    b"\r",
    b"a\n",
    b"a=b\n",
    b"a: b\n",
    b"\n a",
    b"#",
    b"../",
    b"a/",
    b",",
    b"a,",
    b";",
    b"not ",
    b"a and ",
    b"<a ",
    b"href ",
    b"==",
    "é".as_bytes(),
    "\u{202e}".as_bytes(),
];

/// An input from the seeds: mostly one of them with a few changes.
pub fn mutated(random: &mut Random, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut input = if seeds.is_empty() { Vec::new() } else { random.choose(seeds).clone() };
    for _ in 0..=random.below(5) {
        change(random, &mut input, seeds);
    }
    input.truncate(LARGEST);
    input
}

/// A place for a change: anywhere, or where a line begins or a word ends.
fn place(random: &mut Random, input: &[u8]) -> usize {
    let at = random.below(input.len() + 1);
    let stop: fn(&u8) -> bool = match random.below(3) {
        0 => return at,
        1 => |byte| *byte == b'\n',
        _ => |byte| !byte.is_ascii_alphanumeric(),
    };
    input[at..].iter().position(stop).map_or(at, |further| (at + further + random.below(2)).min(input.len()))
}

fn insert(input: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    input.splice(at..at, bytes.iter().copied());
}

fn change(random: &mut Random, input: &mut Vec<u8>, seeds: &[Vec<u8>]) {
    match random.below(20) {
        0 | 1 => {
            if !input.is_empty() {
                let at = random.below(input.len());
                input[at] ^= 1 << random.below(8);
            }
        }
        2 => {
            if !input.is_empty() {
                let at = random.below(input.len());
                input[at] = u8::try_from(random.below(256)).unwrap_or_default();
            }
        }
        3..=7 => {
            let at = place(random, input);
            let token = *random.choose(TOKENS);
            insert(input, at, token);
        }
        8 => {
            // In place of a word.
            let (from, to) = word(random, input);
            let token = *random.choose(TOKENS);
            input.splice(from..to, token.iter().copied());
        }
        9 => {
            let at = place(random, input);
            let piece = *random.choose(REPEATED);
            // Most are short; the few long ones show what grows faster than its input.
            let most = if random.one_in(6) { LARGEST } else { 300 };
            let bytes = piece.repeat(random.below(most / piece.len()) + 1);
            insert(input, at, &bytes);
        }
        10 => {
            let at = place(random, input);
            input.truncate(at);
        }
        11 => {
            let (from, to) = span(random, input);
            input.drain(from..to);
        }
        12 => {
            // A piece of it several times.
            let (from, to) = span(random, input);
            let most = if random.one_in(6) { LARGEST } else { 4 * (to - from) };
            let piece = input[from..to].to_vec();
            if !piece.is_empty() {
                let bytes = piece.repeat((random.below(most + 1) / piece.len()).clamp(1, LARGEST / piece.len() + 1));
                insert(input, to, &bytes);
            }
        }
        13 => {
            let mut lines: Vec<&[u8]> = input.split_inclusive(|byte| *byte == b'\n').collect();
            if lines.len() > 1 {
                let (a, b) = (random.below(lines.len()), random.below(lines.len()));
                lines.swap(a, b);
                *input = lines.concat();
            }
        }
        14 => {
            let lines: Vec<&[u8]> = input.split_inclusive(|byte| *byte == b'\n').collect();
            if !lines.is_empty() {
                let line = (*random.choose(&lines)).to_vec();
                let at = lines[..random.below(lines.len())].iter().map(|line| line.len()).sum();
                insert(input, at, &line);
            }
        }
        15 => {
            let mut lines: Vec<&[u8]> = input.split_inclusive(|byte| *byte == b'\n').collect();
            if !lines.is_empty() {
                lines.remove(random.below(lines.len()));
                *input = lines.concat();
            }
        }
        16 | 17 => {
            // The beginning of this one, the end of another.
            if !seeds.is_empty() {
                let other = random.choose(seeds);
                let at = place(random, input);
                let from = place(random, other);
                input.truncate(at);
                input.extend_from_slice(&other[from..]);
            }
        }
        18 => {
            // A number becomes another one.
            let digit = |byte: &u8| byte.is_ascii_digit();
            let start = random.below(input.len() + 1);
            if let Some(from) = input[start..].iter().position(digit).map(|at| start + at) {
                let to = input[from..].iter().position(|byte| !digit(byte)).map_or(input.len(), |at| from + at);
                let numbers: [&[u8]; 7] =
                    [b"0", b"-1", b"65536", b"4294967296", b"9223372036854775808", b"99999999999999999999", b"1.5"];
                input.splice(from..to, random.choose(&numbers).iter().copied());
            }
        }
        _ => {
            // The case of a word.
            let (from, to) = word(random, input);
            input[from..to].iter_mut().for_each(|byte| *byte ^= if byte.is_ascii_alphabetic() { 0x20 } else { 0 });
        }
    }
}

fn span(random: &mut Random, input: &[u8]) -> (usize, usize) {
    let (a, b) = (place(random, input), place(random, input));
    (a.min(b), a.max(b))
}

fn word(random: &mut Random, input: &[u8]) -> (usize, usize) {
    let inner = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let at = random.below(input.len() + 1);
    let from = input[at..].iter().position(inner).map_or(input.len(), |further| at + further);
    let to = input[from..].iter().position(|byte| !inner(byte)).map_or(input.len(), |further| from + further);
    (from, to)
}
