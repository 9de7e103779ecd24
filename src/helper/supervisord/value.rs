//! What supervisor's keys hold: each type's grammar.
//!
//! Mirrors supervisor's datatypes.py. The errors are sentences' ends, for
//! "'KEY' is …". Stricter: a number has at most 64 bits.

/// `boolean`.
pub fn boolean(text: &str) -> Result<bool, String> {
    match text.to_lowercase().as_str() {
        "yes" | "true" | "on" | "1" => Ok(true),
        "no" | "false" | "off" | "0" => Ok(false),
        _ => Err(format!("'{text}', which is neither true nor false")),
    }
}

/// Python's `int(text, radix)`.
fn python_int(text: &str, radix: u32) -> Option<i64> {
    let text = text.trim();
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let prefixed = if radix == 8 { digits.strip_prefix("0o").or_else(|| digits.strip_prefix("0O")) } else { None };
    let digits = match prefixed {
        Some(rest) => rest.strip_prefix('_').unwrap_or(rest),
        None => digits,
    };
    if digits.starts_with('_') || digits.ends_with('_') || digits.contains("__") || digits.starts_with(['+', '-']) {
        return None;
    }
    let number = i64::from_str_radix(&digits.replace('_', ""), radix).ok()?;
    Some(if negative { -number } else { number })
}

/// `integer`.
pub fn integer(text: &str) -> Result<i64, String> {
    python_int(text, 10).ok_or_else(|| format!("'{text}', which is no whole number"))
}

/// A number of seconds: a whole number that is not negative.
pub fn seconds(text: &str) -> Result<u32, String> {
    u32::try_from(integer(text)?).map_err(|_| format!("'{text}', which is no number of seconds"))
}

/// `octal_type`.
pub fn octal(text: &str) -> Result<u32, String> {
    let number = python_int(text, 8).and_then(|number| u32::try_from(number).ok()).filter(|number| *number <= 0o7777);
    number.ok_or_else(|| format!("'{text}', which is no octal number such as 027"))
}

/// `byte_size`.
pub fn byte_size(text: &str) -> Result<u64, String> {
    let lower = text.to_lowercase();
    let (digits, factor) = ["kb", "mb", "gb"]
        .iter()
        .zip([1 << 10, 1 << 20, 1 << 30])
        .find_map(|(suffix, factor)| lower.strip_suffix(suffix).map(|digits| (digits, factor)))
        .unwrap_or((&lower, 1));
    python_int(digits, 10)
        .and_then(|number| u64::try_from(number).ok()?.checked_mul(factor))
        .ok_or_else(|| format!("'{text}', which is no size such as 512KB or 50MB"))
}

/// `list_of_strings`.
pub fn list(text: &str) -> Vec<String> {
    if text.is_empty() { Vec::new() } else { text.split(',').map(|item| item.trim().to_owned()).collect() }
}

/// `list_of_exitcodes`.
pub fn exit_codes(text: &str) -> Result<Vec<u8>, String> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let code = |item: &str| python_int(item, 10).and_then(|number| u8::try_from(number).ok());
    text.split(',').map(code).collect::<Option<_>>().ok_or_else(|| format!("'{text}', which is no list such as 0,2"))
}

/// When a program that has ended starts again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Restart {
    /// Never.
    Never,
    /// After an exit status that is not expected, and after a signal.
    Unexpected,
    /// Always.
    Always,
}

/// `auto_restart`.
pub fn restart(text: &str) -> Result<Restart, String> {
    if text.to_lowercase() == "unexpected" {
        return Ok(Restart::Unexpected);
    }
    match boolean(text) {
        Ok(true) => Ok(Restart::Always),
        Ok(false) => Ok(Restart::Never),
        Err(_) => Err(format!("'{text}', which is none of true, false, unexpected")),
    }
}

const SIGNALS: [(u8, &str); 36] = [
    (1, "HUP"),
    (2, "INT"),
    (3, "QUIT"),
    (4, "ILL"),
    (5, "TRAP"),
    (6, "ABRT"),
    (6, "IOT"),
    (7, "BUS"),
    (8, "FPE"),
    (9, "KILL"),
    (10, "USR1"),
    (11, "SEGV"),
    (12, "USR2"),
    (13, "PIPE"),
    (14, "ALRM"),
    (15, "TERM"),
    (16, "STKFLT"),
    (17, "CHLD"),
    (17, "CLD"),
    (18, "CONT"),
    (19, "STOP"),
    (20, "TSTP"),
    (21, "TTIN"),
    (22, "TTOU"),
    (23, "URG"),
    (24, "XCPU"),
    (25, "XFSZ"),
    (26, "VTALRM"),
    (27, "PROF"),
    (28, "WINCH"),
    (29, "IO"),
    (29, "POLL"),
    (30, "PWR"),
    (31, "SYS"),
    (34, "RTMIN"),
    (64, "RTMAX"),
];

/// `signal_number`, for Linux and signals that can be sent.
pub fn signal(text: &str) -> Result<u8, String> {
    let upper = text.trim().to_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    let known = match python_int(text, 10) {
        Some(number) => SIGNALS.iter().find(|(known, _)| i64::from(*known) == number),
        None => SIGNALS.iter().find(|(_, known)| *known == name),
    };
    known.map(|(number, _)| *number).ok_or_else(|| format!("'{text}', which is no signal such as TERM or QUIT"))
}

/// A signal's name as systemd.kill(5) writes it: `SIGTERM`.
pub fn signal_name(number: u8) -> String {
    let name = SIGNALS.iter().find(|(known, _)| *known == number).map_or("TERM", |(_, name)| *name);
    format!("SIG{name}")
}

/// Where a stream goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogFile {
    /// Nowhere.
    None,
    /// Where supervisord likes.
    Automatic,
    /// The system's log.
    Syslog,
    /// This file.
    Path(String),
}

/// `logfile_name`.
pub fn log_file(text: &str) -> LogFile {
    match text.to_lowercase().as_str() {
        "none" | "off" => LogFile::None,
        "auto" => LogFile::Automatic,
        "syslog" => LogFile::Syslog,
        _ => LogFile::Path(text.to_owned()),
    }
}

/// `process_or_group_name`; here also without control characters, a name being a line and a file.
pub fn process_name(text: &str) -> Result<String, String> {
    let name = text.trim();
    match name.chars().find(|c| " :/".contains(*c) || c.is_control()) {
        Some(c) if c.is_control() => Err(format!("'{name}', and a name has no control character")),
        Some(c) => Err(format!("'{text}', and a name has no '{c}'")),
        None => Ok(name.to_owned()),
    }
}

/// The names of the events that supervisor knows (events.py, `EventTypes`).
pub const EVENTS: [&str; 27] = [
    "EVENT",
    "PROCESS_STATE",
    "PROCESS_STATE_STOPPED",
    "PROCESS_STATE_EXITED",
    "PROCESS_STATE_STARTING",
    "PROCESS_STATE_STOPPING",
    "PROCESS_STATE_BACKOFF",
    "PROCESS_STATE_FATAL",
    "PROCESS_STATE_RUNNING",
    "PROCESS_STATE_UNKNOWN",
    "PROCESS_COMMUNICATION",
    "PROCESS_COMMUNICATION_STDOUT",
    "PROCESS_COMMUNICATION_STDERR",
    "PROCESS_LOG",
    "PROCESS_LOG_STDOUT",
    "PROCESS_LOG_STDERR",
    "REMOTE_COMMUNICATION",
    "SUPERVISOR_STATE_CHANGE",
    "SUPERVISOR_STATE_CHANGE_RUNNING",
    "SUPERVISOR_STATE_CHANGE_STOPPING",
    "TICK",
    "TICK_5",
    "TICK_60",
    "TICK_3600",
    "PROCESS_GROUP",
    "PROCESS_GROUP_ADDED",
    "PROCESS_GROUP_REMOVED",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_python_s() {
        assert_eq!(integer(" 1_000 "), Ok(1000));
        assert_eq!(integer("-3"), Ok(-3));
        for text in ["", "1.5", "_1", "1__0", "+-1", "x"] {
            assert!(integer(text).is_err(), "{text}");
        }
        assert_eq!((octal("022"), octal("0o27"), octal("777")), (Ok(0o22), Ok(0o27), Ok(0o777)));
        assert!(octal("9").is_err());
        assert_eq!((byte_size("50MB"), byte_size("1kb"), byte_size("7")), (Ok(50 << 20), Ok(1024), Ok(7)));
        assert!(byte_size("1.5MB").is_err());
    }

    #[test]
    fn names_are_one_line() {
        assert_eq!(process_name(" web "), Ok("web".to_owned()));
        for bad in ["a b", "a:b", "a/b", "M\nA", "a\u{1b}"] {
            assert!(process_name(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn signals_have_names_and_numbers() {
        assert_eq!((signal("quit"), signal("SIGTERM"), signal("10")), (Ok(3), Ok(15), Ok(10)));
        assert!(signal("33").is_err());
        assert!(signal("TERMX").is_err());
        assert_eq!((signal_name(3), signal_name(29)), ("SIGQUIT".to_owned(), "SIGIO".to_owned()));
    }
}
