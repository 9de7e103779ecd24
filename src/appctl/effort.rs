//! Whether two texts are worth comparing line by line. Pure.
//!
//! A service's user can write a file whose comparison takes hours, and dpkg
//! waits for it: the time grows with the square of the lines that differ.

use std::collections::HashMap;

/// Most lines of a text that is compared.
const LINES: usize = 200_000;
/// Most steps of a comparison: some 4000 lines may differ.
const STEPS: usize = 10_000_000;

/// Whether a comparison of these texts ends within seconds.
pub fn is_comparable(old: &str, new: &str) -> bool {
    let mut numbers = HashMap::new();
    let (Some(old), Some(new)) = (numbered(old, &mut numbers), numbered(new, &mut numbers)) else { return false };
    let start = old.iter().zip(&new).take_while(|(one, other)| one == other).count();
    let (old, new) = (&old[start..], &new[start..]);
    let end = old.iter().rev().zip(new.iter().rev()).take_while(|(one, other)| one == other).count();
    ends_within(STEPS, &old[..old.len() - end], &new[..new.len() - end])
}

/// A number for each line, the same for the same; `None` where there are too many.
fn numbered<'a>(text: &'a str, numbers: &mut HashMap<&'a str, usize>) -> Option<Vec<usize>> {
    let mut lines = Vec::new();
    for line in text.split_inclusive('\n') {
        if lines.len() == LINES {
            return None;
        }
        let next = numbers.len();
        lines.push(*numbers.entry(line).or_insert(next));
    }
    Some(lines)
}

/// Myers' greedy algorithm (An O(ND) Difference Algorithm, 1986), which diffy uses, too, with an end.
fn ends_within(steps: usize, old: &[usize], new: &[usize]) -> bool {
    if old.is_empty() || new.is_empty() {
        return true;
    }
    let mut left = steps;
    // The furthest place in `old` on each diagonal, those of `new` first.
    let middle = old.len() + new.len() + 1;
    let mut furthest = vec![0_usize; 2 * middle + 1];
    for distance in 0..middle {
        for at in (middle - distance..=middle + distance).step_by(2) {
            let (before, after) = (furthest[at - 1], furthest[at + 1]);
            let down = at == middle - distance || (at != middle + distance && before < after);
            let mut x = if down { after } else { before + 1 };
            let mut y = (x + middle).saturating_sub(at);
            let begin = x;
            while x < old.len() && y < new.len() && old[x] == new[y] {
                (x, y) = (x + 1, y + 1);
            }
            furthest[at] = x;
            if x >= old.len() && y >= new.len() {
                return true;
            }
            match left.checked_sub(1 + x - begin) {
                Some(rest) => left = rest,
                None => return false,
            }
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(numbers: impl Iterator<Item = usize>) -> String {
        numbers.map(|number| format!("{number}\n")).collect()
    }

    #[test]
    fn edits_are_comparable_and_a_trap_is_not() {
        let text = lines(0..20_000);
        for (old, new) in [
            ("", ""),
            ("", &*text),
            (&*text, ""),
            ("a", "b"),
            (&*text, &*format!("first\n{text}last\n")),
            (&*text, &*lines((0..20_000).filter(|number| number % 10 != 0))),
            (&*text, &*lines((0..2000).rev().chain(2000..20_000))),
        ] {
            assert!(is_comparable(old, new) && is_comparable(new, old), "{} {}", old.len(), new.len());
        }
        // All of the other's lines, many times and in the wrong order.
        let trap = lines((0..190_000).map(|number| number * 7919 % 2003));
        let began = std::time::Instant::now();
        assert!(!is_comparable(&lines(0..20_000), &trap) && !is_comparable(&trap, &lines(0..20_000)));
        assert!(!is_comparable("x\n", &lines(0..LINES + 1)));
        assert!(began.elapsed().as_secs() < 20, "{:?}", began.elapsed());
    }
}
