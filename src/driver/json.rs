//! JSON as commands print it and notes keep it.

use serde::Serialize;

use crate::error::{Error, Result};

/// Pretty JSON with a new line at the end.
pub fn json(value: &impl Serialize) -> Result<String> {
    let text =
        serde_json::to_string_pretty(value).map_err(|error| Error::failed(format!("cannot write JSON: {error}")))?;
    Ok(text + "\n")
}
