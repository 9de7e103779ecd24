//! dh_appconfig: the order of things.
//!
//! stanzas → checks against the package's tree → templates → a trial rendering
//! → what the package gets. Every fault of every package is reported before
//! anything is written. Decisions are in [`crate::helper::appconfig`].

mod translations;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::apply;
use crate::configuration::layer::Layer;
use crate::configuration::manifest::Program;
use crate::configuration::template::Template;
use crate::debhelper::contribution::{self, Joined};
use crate::debhelper::pkgfile::{self, Variants};
use crate::debhelper::snippet;
use crate::debian::control::Binary;
use crate::debian::script::Script;
use crate::error::{Diagnostic, Error, Result, nearest};
use crate::helper::appconfig::check::{self, Shipped};
use crate::helper::appconfig::cli::Options;
use crate::helper::appconfig::description::{self, Description};
use crate::helper::appconfig::place::{self, Found, Questions};
use crate::helper::appconfig::{maintainer, program, quoting, rendering, script};
use crate::input::{self, Kind};
use crate::plan::Plan;
use crate::run::Context;

/// Where templates and fixtures lie in the source.
const SOURCE: &str = "debian/appconfig";

/// Where those lie that take the place of dh_zeoclient's.
const ZEOCLIENT: &str = "debian/zeoclient";

/// The body of dh_appconfig.
pub fn run(context: &Context, options: Options) -> Result<()> {
    if options.update_po {
        return translations::update(context);
    }
    let mut faults = Vec::new();
    let mut packages = Vec::new();
    for binary in context.build.packages() {
        if let Some(source) = source(context, &binary.name)? {
            let (package, mut found) = Package::read(context, binary, &source)?;
            source.locate(&mut found);
            packages.push(package);
            faults.extend(found);
        }
    }
    if check::has_errors(&faults) {
        return Err(Error::Failed(faults));
    }
    for warning in &faults {
        context.printer.diagnostic(warning);
    }
    let plans = packages.iter().map(|package| package.plan(context)).collect::<Result<Vec<Plan>>>()?;
    plans.iter().try_for_each(|plan| apply::plan(plan, &context.printer, context.build.no_act))
}

/// The .appconfig file of a package, with what another helper has contributed.
/// Nothing in it is substituted: `${…}` may be meant for a template.
fn source(context: &Context, package: &str) -> Result<Option<Joined>> {
    let variants = Variants { named: true, by_architecture: true };
    let path = pkgfile::path(&context.build, package, "appconfig", variants)?;
    contribution::join(&context.build, package, "appconfig", path)
}

/// The text of a file of the source, named as messages name it.
fn read(context: &Context, path: &Path) -> Result<Option<String>> {
    input::text(&context.build.directory.join(path))
}

/// A package and all that was read for it.
struct Package<'a> {
    name: &'a str,
    root: PathBuf,
    description: Description,
    /// Texts by name.
    templates: BTreeMap<String, String>,
    programs: Vec<Program>,
    /// Whether dh_supervisord runs its services and so converges.
    supervised: bool,
}

impl<'a> Package<'a> {
    /// The package, and every fault in its files, as they stand there.
    fn read(context: &Context, binary: &'a Binary, source: &Joined) -> Result<(Self, Vec<Diagnostic>)> {
        let name = binary.name.as_str();
        let root = context.build.temporary_directory(name);
        let (mut description, mut faults) = description::parse(&source.text, &source.path);
        let shipped = shipped(context, name, &root)?;
        faults.extend(check::stanzas(name, &description, &shipped));
        let variants = Variants { named: true, by_architecture: true };
        let supervised = pkgfile::path(&context.build, name, "supervisord", variants)?.is_some()
            || contribution::is_there(&context.build, name, "supervisord");
        let mut programs = program::units(name, shipped.keys().map(String::as_str));
        programs.extend(program::supervised(fragments(&root, &shipped)?.iter().map(String::as_str)));
        if !supervised {
            faults.extend(program::resolve(&mut description, &programs));
        }
        let (templates, parsed) = templates(context, name, &description, &mut faults)?;
        let found = check::uses(&description, &parsed);
        if !check::has_errors(&found) && !description.is_partial {
            let fixtures = fixtures(context, name, &mut faults)?;
            faults.extend(rendering::trial(name, &description, &parsed, &fixtures));
        }
        faults.extend(found);
        let texts = parsed.iter().map(|(index, template)| {
            let text = templates.get(&description.files[*index].item.template);
            (*index, (template, text.map_or("", String::as_str)))
        });
        faults.extend(quoting::check(&description, &texts.collect()));
        faults.extend(depends(context, binary));
        if !context.build.options.no_scripts {
            faults.extend(scripts(context, name)?);
        }
        if !check::has_errors(&faults) {
            let has_services = supervised || !programs.is_empty();
            faults.extend(check::forgotten(name, has_services, &description, &parsed));
        }
        faults.sort_by(|a, b| a.location.cmp(&b.location));
        Ok((Self { name, root, description, templates, programs, supervised }, faults))
    }

    fn plan(&self, context: &Context) -> Result<Plan> {
        let (name, root) = (self.name, self.root.as_path());
        let before = input::text(&context.build.debian(&format!("{name}.postinst.debhelper")))?.unwrap_or_default();
        let scripts = script::scripts(name, &self.description, self.supervised, &before)?;
        let manifest = place::manifest(name, &self.description, self.programs.clone());
        let found = Found {
            substvars: input::text(&context.build.debian(&format!("{name}.substvars")))?,
            config: input::text(&root.join("DEBIAN/config"))?,
            templates: input::text(&root.join("DEBIAN/templates"))?,
        };
        let mut plan = Plan::default();
        if !context.build.options.only_scripts {
            plan.extend(place::files(root, &self.description, &manifest, &self.templates)?);
            plan.push(place::relations(&found, &manifest, scripts.config.is_some()));
        }
        if let Some(config) = scripts.config.clone().filter(|_| !context.build.options.only_scripts) {
            let ours = Questions { templates: translations::merged(context, name, &self.description)?, config };
            plan.extend(place::questions(root, name, context.tool, &ours, &found)?);
        }
        let parts =
            [(Script::Postinst, &scripts.postinst), (Script::Prerm, &scripts.prerm), (Script::Postrm, &scripts.postrm)];
        let version = env!("CARGO_PKG_VERSION");
        for (script, body) in parts {
            plan.actions.extend(snippet::action(&context.build, name, script, context.tool, version, body)?);
        }
        if !scripts.services.is_empty() {
            let (script, body) = (Script::Postinst, &scripts.services);
            plan.actions.extend(snippet::service_action(&context.build, name, script, context.tool, version, body)?);
        }
        Ok(plan)
    }
}

/// A package that would be installed without appctl.
fn depends(context: &Context, binary: &Binary) -> Option<Diagnostic> {
    let fields = [binary.field("Depends"), binary.field("Pre-Depends")];
    let named = fields.into_iter().flatten().any(|field| field.contains("${misc:Depends}"));
    // From level 14 on, dh_gencontrol adds every ${…:Depends} by itself.
    (context.build.compat < 14 && !named).then(|| {
        let message = format!("package {} has configuration, but its Depends lacks ${{misc:Depends}}", binary.name);
        let fault = Diagnostic::error(message).at(binary.location("Depends"));
        fault.hint("add ${misc:Depends} to Depends: it brings appctl")
    })
}

/// Faults in the packager's own maintainer scripts.
fn scripts(context: &Context, package: &str) -> Result<Vec<Diagnostic>> {
    let mut faults = Vec::new();
    for name in ["postinst", "prerm", "postrm"] {
        let variants = Variants { named: true, by_architecture: true };
        if let Some(file) = pkgfile::path(&context.build, package, name, variants)? {
            let text = read(context, &file)?.unwrap_or_default();
            faults.extend(maintainer::faults(package, name, &file, &text));
        }
    }
    Ok(faults)
}

/// What stands in the package's build tree, by absolute path on the machine.
fn shipped(context: &Context, package: &str, root: &Path) -> Result<BTreeMap<String, Shipped>> {
    if !input::is_directory(root) {
        return Ok(BTreeMap::new());
    }
    let listed = input::text(&context.build.debian(&format!("{package}.conffiles")))?.unwrap_or_default();
    let listed: Vec<&str> = listed.lines().filter_map(|line| line.split_whitespace().last()).collect();
    let mut all = BTreeMap::new();
    for entry in input::tree(root)? {
        let path = format!("/{}", entry.path.display());
        let what = match entry.kind {
            Kind::Directory => Shipped::Directory,
            // dh_installdeb makes every file below /etc a conffile.
            Kind::File { .. } if path.starts_with("/etc/") || listed.contains(&path.as_str()) => Shipped::Conffile,
            _ => Shipped::File,
        };
        all.insert(path, what);
    }
    Ok(all)
}

/// The texts of the fragments for supervisord that the package ships.
fn fragments(root: &Path, shipped: &BTreeMap<String, Shipped>) -> Result<Vec<String>> {
    let names =
        shipped.keys().filter_map(|path| path.strip_prefix('/').filter(|_| path.starts_with(program::FRAGMENTS)));
    let texts = names.filter(|name| name.ends_with(".conf")).map(|name| input::text(&root.join(name)));
    texts.filter_map(Result::transpose).collect()
}

/// The texts of the templates by name, and those that could be parsed by the index of their file.
fn templates(
    context: &Context,
    package: &str,
    description: &Description,
    faults: &mut Vec<Diagnostic>,
) -> Result<(BTreeMap<String, String>, BTreeMap<usize, Template>)> {
    let mut texts = BTreeMap::new();
    let mut parsed = BTreeMap::new();
    for (index, placed) in description.files.iter().enumerate() {
        let name = placed.item.template.as_str();
        let (path, text) = template(context, package, name)?;
        let Some(text) = text else {
            let there = input::names(&context.build.directory.join(SOURCE))?;
            let there: Vec<String> = there.iter().map(|name| name.to_string_lossy().into_owned()).collect();
            let taken = |name: &str| description.files.iter().any(|other| other.item.template == name);
            let templates = there.iter().map(String::as_str).filter(|name| name.ends_with(".hbs") && !taken(name));
            let hint = match nearest(name, templates) {
                Some(near) => format!("did you mean '{near}'?"),
                None => "write it; dh_appconfig(1), TEMPLATES, says how".to_owned(),
            };
            let fault = Diagnostic::error(format!("there is no template {}", path.display()));
            faults.push(fault.at(description.at(placed.line_of("Template"))).hint(hint));
            continue;
        };
        match Template::parse(&text, &path, placed.item.escape) {
            Ok(template) => drop(parsed.insert(index, template)),
            Err(found) => faults.extend(found),
        }
        texts.insert(name.to_owned(), text);
    }
    Ok((texts, parsed))
}

/// A template's path and text: the packager's, else the contributed one.
fn template(context: &Context, package: &str, name: &str) -> Result<(PathBuf, Option<String>)> {
    let path = Path::new(SOURCE).join(name);
    for path in
        [path.clone(), Path::new(ZEOCLIENT).join(name), contribution::templates(&context.build, package).join(name)]
    {
        if let Some(text) = read(context, &path)? {
            return Ok((path, Some(text)));
        }
    }
    Ok((path, None))
}

/// The values to render with besides the defaults: for every package, and for this one.
fn fixtures(context: &Context, package: &str, faults: &mut Vec<Diagnostic>) -> Result<Vec<Layer>> {
    let all = Path::new(SOURCE).join("fixtures");
    let mut layers = Vec::new();
    for directory in [all.clone(), all.join(package)] {
        for name in input::names(&context.build.directory.join(&directory))? {
            let path = directory.join(&name);
            if !name.to_string_lossy().ends_with(".conf") {
                continue;
            }
            let (layer, found) = Layer::parse(&read(context, &path)?.unwrap_or_default(), path);
            faults.extend(found);
            layers.push(layer);
        }
    }
    Ok(layers)
}
