//! A wrong command line, in the words of every other message.

use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::error::Diagnostic;

/// What clap found wrong: its first sentence, and as hint what it suggests.
pub fn diagnostic(error: &clap::Error) -> Diagnostic {
    let text = error.to_string();
    let message = match error.kind() {
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand | ErrorKind::MissingSubcommand => {
            "no command is given".to_owned()
        }
        _ => {
            let paragraph = text.split("\n\n").next().unwrap_or_default();
            let words: Vec<&str> = paragraph.split_whitespace().collect();
            words.join(" ").trim_start_matches("error: ").to_owned()
        }
    };
    let suggestion = [ContextKind::SuggestedArg, ContextKind::SuggestedSubcommand, ContextKind::SuggestedValue]
        .into_iter()
        .find_map(|kind| match error.get(kind)? {
            ContextValue::String(one) => Some(one.clone()),
            ContextValue::Strings(all) => all.first().cloned(),
            _ => None,
        });
    Diagnostic::error(message).hint(match suggestion {
        Some(word) => format!("did you mean '{word}'?"),
        None => "deb-build-app --help lists the commands, deb-build-app COMMAND --help the options".to_owned(),
    })
}
