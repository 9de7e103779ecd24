//! Accounts and directories that systemd makes: sysusers.d(5), tmpfiles.d(5).

use super::description::Description;

/// The accounts; `None` where there are none.
pub fn sysusers(package: &str, description: &Description) -> Option<String> {
    let lines: String = description
        .users
        .iter()
        .map(|user| {
            let home = user.item.home.as_deref().unwrap_or("-");
            format!("u {} - \"{package} service\" {home}\n", user.item.name)
        })
        .collect();
    (!lines.is_empty()).then_some(lines)
}

/// The directories that are gone after a boot; appctl makes the others, and
/// these, too, at installation.
pub fn tmpfiles(description: &Description) -> Option<String> {
    let lines: String = description
        .directories
        .iter()
        .map(|placed| &placed.item)
        .filter(|directory| directory.path.starts_with("/run/"))
        .map(|it| format!("d {} {} {} {} -\n", it.path, it.mode, it.owner, it.group))
        .collect();
    (!lines.is_empty()).then_some(lines)
}
