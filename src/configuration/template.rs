//! The templates' language: Handlebars, strict, with the file's own escaper.
//!
//! Owns what a template may say, which settings it uses, and its rendering.
//!
//! A template has `{{name}}`, `{{name.host}}` and `{{name.port}}` of a hostport,
//! the blocks `if`, `unless` and `each`, the functions of [`FUNCTIONS`] and
//! comments. Inside `each`, `{{this}}`, `{{@index}}`, `{{@first}}` and `{{@last}}`
//! belong to the item; every setting is still reached by its name.
//!
//! Whatever is put into the file goes through the escaper, `{{{name}}}` and
//! `{{&name}}` too: Handlebars' way around its HTML escaping would here be a
//! way around the format. `Escape: none` is the only one.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use handlebars::template::{BlockParam, HelperTemplate, Parameter, Subexpression, TemplateElement};
use handlebars::{
    Context, Handlebars, Helper, HelperDef, HelperResult, JsonValue, Output, RenderContext, RenderError,
    RenderErrorReason, Renderable, ScopedJson, TemplateErrorReason,
};

use super::bounds;
use super::manifest::Escape;
use super::value::Value;
use crate::error::{Diagnostic, Location, nearest};

/// The blocks that a template may have.
pub const BLOCKS: [&str; 3] = ["each", "if", "unless"];
/// The functions that a template may call, in an expression or in parentheses.
pub const FUNCTIONS: [&str; 11] = ["and", "eq", "gt", "gte", "join", "len", "lt", "lte", "ne", "not", "or"];

/// The name under which an expression finds the escaper; no template can spell it.
const PUT: &str = " put";

/// A setting's name in a template.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Use {
    /// The setting.
    pub name: String,
    /// `host` or `port` after a dot.
    pub part: Option<String>,
    /// Line of the template, from 1.
    pub line: usize,
}

/// A template that can be rendered.
#[derive(Debug, Clone)]
pub struct Template {
    file: PathBuf,
    escape: Escape,
    parsed: handlebars::Template,
    uses: Vec<Use>,
}

/// The values of every setting, as templates see them. Made once for many templates.
#[derive(Debug, Clone)]
pub struct Data(Context);

impl Data {
    /// The data of these values, by the settings' names.
    pub fn new<'a>(values: impl IntoIterator<Item = (&'a str, &'a Value)>) -> Self {
        let mut data = serde_json::Map::new();
        for (name, value) in values {
            let json = match value {
                Value::Unset => JsonValue::String(String::new()),
                Value::List(items) => items.clone().into(),
                Value::Integer(number) => (*number).into(),
                Value::Boolean(truth) => (*truth).into(),
                Value::Port(port) => (*port).into(),
                Value::Text(_) | Value::Hostport { .. } => value.to_string().into(),
            };
            if let Value::Hostport { host, port } = value {
                data.insert(format!("{name}.host"), host.clone().into());
                data.insert(format!("{name}.port"), (*port).into());
            } else {
                // Empty, as the whole is, where a hostport is not set.
                data.insert(format!("{name}.host"), String::new().into());
                data.insert(format!("{name}.port"), String::new().into());
            }
            data.insert(name.to_owned(), json);
        }
        Self(Context::from(JsonValue::Object(data)))
    }
}

impl Template {
    /// Parse a template. `file` is for messages. Every fault is reported with its line.
    pub fn parse(text: &str, file: &Path, escape: Escape) -> Result<Self, Vec<Diagnostic>> {
        bounds::hold(text).map_err(|(line, fault)| vec![fault.at(Location::line(file, line))])?;
        let mut parsed = handlebars::Template::compile(text).map_err(|error| {
            let line = error.pos().map_or(1, |(line, _)| line);
            vec![explain(error.reason()).at(Location::line(file, line))]
        })?;
        let mut walk = Walk { file, uses: Vec::new(), faults: Vec::new(), scopes: Vec::new() };
        walk.template(&mut parsed, 1);
        if !walk.faults.is_empty() {
            return Err(walk.faults);
        }
        Ok(Self { uses: walk.uses, file: file.to_owned(), escape, parsed })
    }

    /// The file that messages name.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// The settings that it names, in the order of the text.
    pub fn uses(&self) -> &[Use] {
        &self.uses
    }

    /// The file's contents. Refused values are named by their settings, all of
    /// them at once, and never shown.
    pub fn render(&self, data: &Data) -> Result<String, Vec<Diagnostic>> {
        let faults = Arc::new(Mutex::new(Vec::new()));
        let mut registry = Handlebars::new();
        registry.set_strict_mode(true);
        registry.register_helper("join", Box::new(Join));
        let put = Put { file: self.file.clone(), escape: self.escape, faults: Arc::clone(&faults) };
        registry.register_helper(PUT, Box::new(put));
        let rendered = self.parsed.renders(&registry, &data.0, &mut RenderContext::new(None));
        let mut faults = std::mem::take(&mut *faults.lock().unwrap_or_else(PoisonError::into_inner));
        match rendered {
            Ok(text) if faults.is_empty() => Ok(text),
            Ok(_) => Err(faults),
            Err(error) => {
                let fault = match error.reason() {
                    RenderErrorReason::MissingVariable(Some(name)) => {
                        Diagnostic::error(format!("there is no setting '{name}'")).hint("correct the name")
                    }
                    reason => Diagnostic::error(format!("cannot be rendered: {reason}"))
                        .hint("a setting or a block of it is not there: correct the name"),
                };
                faults.push(fault.at(Location::line(&self.file, error.line_no.unwrap_or(1))));
                Err(faults)
            }
        }
    }
}

/// A fault of the syntax, in the words of someone who writes templates.
fn explain(reason: &TemplateErrorReason) -> Diagnostic {
    match reason {
        TemplateErrorReason::MismatchingClosedHelper(open, close) => {
            Diagnostic::error(format!("'{{{{#{open}}}}}' is closed by '{{{{/{close}}}}}'"))
                .hint(format!("write '{{{{/{open}}}}}'"))
        }
        TemplateErrorReason::InvalidSyntax(_) => Diagnostic::error(
            "this is no Handlebars: a brace, a name or the end of a block is missing or wrong",
        )
        .hint("write '{{name}}', '{{#if name}}…{{/if}}' or '{{#each names}}…{{/each}}'; '\\{{' stands for two braces"),
        other => Diagnostic::error(other.to_string())
            .hint("write '{{name}}', '{{#if name}}…{{/if}}' or '{{#each names}}…{{/each}}'"),
    }
}

/// One pass over a parsed template: what is not in our language is a fault,
/// every setting is noted and reached from the root, and what is put into the
/// file goes through [`Put`].
struct Walk<'a> {
    file: &'a Path,
    uses: Vec<Use>,
    faults: Vec<Diagnostic>,
    /// For each `each` around: the names that it gives its item and index.
    scopes: Vec<Vec<String>>,
}

impl Walk<'_> {
    fn template(&mut self, template: &mut handlebars::Template, line: usize) {
        let lines: Vec<usize> = template.mapping.iter().map(|place| place.0).collect();
        for (at, element) in template.elements.iter_mut().enumerate() {
            self.element(element, lines.get(at).copied().unwrap_or(line));
        }
    }

    fn element(&mut self, element: &mut TemplateElement, line: usize) {
        match element {
            TemplateElement::RawString(_) | TemplateElement::Comment(_) => {}
            TemplateElement::Expression(expression) | TemplateElement::HtmlExpression(expression) => {
                let name = expression.name.as_name().unwrap_or_default().to_owned();
                if let Some(call) = self.expression(expression, line) {
                    // A plain expression: nothing remembers that it had three braces.
                    *element = put(&name, line, call);
                }
            }
            TemplateElement::HelperBlock(block) => self.block(block, line),
            // Partials, decorators, and whatever a later version of the parser knows.
            _ => self.fault(
                line,
                "a template cannot include another".to_owned(),
                "write the text here; 'if', 'unless' and 'each' are the blocks".to_owned(),
            ),
        }
    }

    /// What an expression, between braces or in parentheses, stands for; nothing where it has a fault.
    fn expression(&mut self, expression: &mut HelperTemplate, line: usize) -> Option<Parameter> {
        let name = expression.name.as_name().unwrap_or_default().to_owned();
        if expression.params.is_empty() && expression.hash.is_empty() {
            return match std::mem::replace(&mut expression.name, Parameter::Name(String::new())) {
                mut call @ Parameter::Subexpression(_) => self.parameter(&mut call, line).then_some(call),
                _ => self.path(&name, line),
            };
        }
        if !self.call(&name, &mut expression.params, !expression.hash.is_empty(), line) {
            return None;
        }
        let params = std::mem::take(&mut expression.params);
        let call = Subexpression::new(Parameter::Name(name), params, HashMap::new());
        Some(Parameter::Subexpression(call))
    }

    fn block(&mut self, block: &mut HelperTemplate, line: usize) {
        let name = block.name.as_name().unwrap_or_default().to_owned();
        if !BLOCKS.contains(&name.as_str()) {
            let hint = match nearest(&name, BLOCKS) {
                Some(near) => format!("did you mean '{near}'?"),
                None => "'if', 'unless' and 'each' are the blocks".to_owned(),
            };
            self.fault(line, format!("unknown block '{name}'"), hint);
            return;
        }
        if block.params.len() != 1 || (!block.hash.is_empty() && name == "each") {
            self.fault(
                line,
                format!("'{name}' takes one setting or expression"),
                format!("write '{{{{#{name} NAME}}}}'; put a function into parentheses"),
            );
            return;
        }
        for parameter in &mut block.params {
            self.parameter(parameter, line);
        }
        let scope = (name == "each").then(|| names(block.block_param.as_ref()));
        let inside = scope.is_some();
        self.scopes.extend(scope);
        if let Some(template) = &mut block.template {
            self.template(template, line);
        }
        if inside {
            self.scopes.pop();
        }
        if let Some(inverse) = &mut block.inverse {
            self.template(inverse, line);
        }
    }

    /// Check a parameter and make its path absolute; false where it has a fault.
    fn parameter(&mut self, parameter: &mut Parameter, line: usize) -> bool {
        match parameter {
            Parameter::Name(_) | Parameter::Path(_) => {
                let raw = parameter.as_name().unwrap_or_default().to_owned();
                self.path(&raw, line).map(|absolute| *parameter = absolute).is_some()
            }
            Parameter::Subexpression(call) => {
                let TemplateElement::Expression(inner) = call.element.as_mut() else { return false };
                self.expression(inner, line).map(|checked| *parameter = checked).is_some()
            }
            _ => true,
        }
    }

    fn call(&mut self, name: &str, params: &mut [Parameter], named: bool, line: usize) -> bool {
        if !FUNCTIONS.contains(&name) {
            let hint = match nearest(name, FUNCTIONS) {
                Some(near) => format!("did you mean '{near}'?"),
                None => format!("there are: {}", FUNCTIONS.join(", ")),
            };
            self.fault(line, format!("unknown function '{name}'"), hint);
            return false;
        }
        let expected = match name {
            "len" | "not" => 1..=1,
            "and" | "or" => 2..=usize::MAX,
            _ => 2..=2,
        };
        if named || !expected.contains(&params.len()) {
            let count = if *expected.end() == 1 { "one parameter" } else { "two parameters" };
            self.fault(line, format!("'{name}' takes {count}"), "see dh_appconfig(1), TEMPLATES".to_owned());
            return false;
        }
        // All of them: one message for each fault.
        params.iter_mut().map(|parameter| self.parameter(parameter, line)).filter(|good| !good).count() == 0
    }

    /// The path that reaches what `raw` means: an item of the list around, or a
    /// setting, which is noted.
    fn path(&mut self, raw: &str, line: usize) -> Option<Parameter> {
        let own = raw.trim_start_matches("../").trim_start_matches("./");
        let item = own == "this" || own.starts_with('@') && !own.starts_with("@root");
        let scoped = self.scopes.iter().flatten().any(|name| name == own);
        if (item || scoped) && !self.scopes.is_empty() {
            return self.parsed(raw, line);
        }
        let own = own.strip_prefix("@root").map_or(own, |rest| rest.trim_start_matches(['.', '/']));
        let (name, part) = match own.split_once(['.', '/']) {
            Some((name, part)) => (name, Some(part)),
            None => (own, None),
        };
        if part.is_some_and(|part| part != "host" && part != "port") || item {
            self.fault(
                line,
                format!("'{raw}' is no setting"),
                if item {
                    format!("'{raw}' has a meaning inside '{{{{#each NAME}}}}' only")
                } else {
                    "a setting has no parts but 'host' and 'port' of a hostport".to_owned()
                },
            );
            return None;
        }
        self.uses.push(Use { name: name.to_owned(), part: part.map(str::to_owned), line });
        let key = part.map_or_else(|| name.to_owned(), |part| format!("{name}.{part}"));
        self.parsed(&format!("@root.[{key}]"), line)
    }

    fn parsed(&mut self, path: &str, line: usize) -> Option<Parameter> {
        let parsed = Parameter::parse(path);
        if parsed.is_err() {
            self.fault(line, format!("'{path}' is no name"), "write the name of a setting".to_owned());
        }
        parsed.ok()
    }

    fn fault(&mut self, line: usize, message: String, hint: String) {
        self.faults.push(Diagnostic::error(message).at(Location::line(self.file, line)).hint(hint));
    }
}

/// `as |item index|` of an `each`.
fn names(parameters: Option<&BlockParam>) -> Vec<String> {
    let all: Vec<&Parameter> = match parameters {
        Some(BlockParam::Single(item)) => vec![item],
        Some(BlockParam::Pair((item, index))) => vec![item, index],
        _ => Vec::new(),
    };
    all.into_iter().filter_map(Parameter::as_name).map(str::to_owned).collect()
}

/// The call that writes a value: `{{ put "name" 7 value}}`.
fn put(name: &str, line: usize, value: Parameter) -> TemplateElement {
    let parameters = vec![Parameter::Literal(name.into()), Parameter::Literal(line.into()), value];
    *Subexpression::new(Parameter::Name(PUT.to_owned()), parameters, HashMap::new()).element
}

/// Writes a value through the file's escaper; what it refuses is noted.
struct Put {
    file: PathBuf,
    escape: Escape,
    faults: Arc<Mutex<Vec<Diagnostic>>>,
}

impl HelperDef for Put {
    fn call<'reg: 'rc, 'rc>(
        &self,
        helper: &Helper<'rc>,
        _: &'reg Handlebars<'reg>,
        _: &'rc Context,
        _: &mut RenderContext<'reg, 'rc>,
        out: &mut dyn Output,
    ) -> HelperResult {
        let name = helper.param(0).and_then(|name| name.value().as_str()).unwrap_or_default();
        let line = helper.param(1).and_then(|line| line.value().as_u64()).unwrap_or(1);
        let value = helper.param(2).map_or(&JsonValue::Null, |value| value.value());
        let fault = match value {
            JsonValue::String(text) => match self.escape.escape(text) {
                Ok(escaped) => return Ok(out.write(&escaped)?),
                Err(refusal) => {
                    Diagnostic::error(format!("'{name}' holds {refusal}")).hint(format!("change the value of '{name}'"))
                }
            },
            JsonValue::Number(_) | JsonValue::Bool(_) => return Ok(out.write(&value.to_string())?),
            JsonValue::Array(_) => Diagnostic::error(format!("'{name}' is a list")).hint(format!(
                "loop over it: '{{{{#each {name}}}}}{{{{this}}}}{{{{/each}}}}'; or '{{{{join {name} \", \"}}}}'"
            )),
            JsonValue::Null | JsonValue::Object(_) => return Err(RenderError::strict_error(Some(&name.to_owned()))),
        };
        let line = usize::try_from(line).unwrap_or(1);
        let mut faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        faults.push(fault.at(Location::line(&self.file, line)));
        Ok(())
    }
}

/// `join list separator`.
struct Join;

impl HelperDef for Join {
    fn call_inner<'reg: 'rc, 'rc>(
        &self,
        helper: &Helper<'rc>,
        _: &'reg Handlebars<'reg>,
        _: &'rc Context,
        _: &mut RenderContext<'reg, 'rc>,
    ) -> Result<ScopedJson<'rc>, RenderError> {
        let items = helper.param(0).and_then(|list| list.value().as_array());
        let separator = helper.param(1).and_then(|separator| separator.value().as_str());
        let (Some(items), Some(separator)) = (items, separator) else {
            let wanted = if items.is_none() { "a list first" } else { "a text as separator" };
            return Err(RenderErrorReason::Other(format!("'join' takes {wanted}")).into());
        };
        let words: Vec<&str> = items.iter().filter_map(JsonValue::as_str).collect();
        Ok(ScopedJson::Derived(words.join(separator).into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data() -> Data {
        let values = [
            ("listen", Value::Hostport { host: "::1".into(), port: 80 }),
            ("debug", Value::Boolean(false)),
            ("workers", Value::Integer(3)),
            ("hosts", Value::List(vec!["a".into(), "b%".into()])),
            ("title", Value::Text("50% \"x\"".into())),
            ("name", Value::Text("a\nb".into())),
            ("unset", Value::Unset),
        ];
        Data::new(values.iter().map(|(name, value)| (*name, value)))
    }

    fn render(text: &str, escape: Escape) -> Result<String, Vec<String>> {
        let words = |faults: Vec<Diagnostic>| {
            faults.iter().map(|f| format!("{f} ({})", f.hint.as_deref().unwrap_or_default())).collect::<Vec<_>>()
        };
        let template = Template::parse(text, Path::new("t.hbs"), escape).map_err(words)?;
        template.render(&data()).map_err(words)
    }

    fn ini(text: &str) -> String {
        render(text, Escape::Ini).unwrap()
    }

    #[test]
    fn values_are_rendered_and_escaped() {
        assert_eq!(ini("{{listen}} {{listen.host}} {{listen.port}}"), "[::1]:80 ::1 80");
        assert_eq!(ini("{{debug}} {{workers}} [{{unset}}]"), "false 3 []");
        assert_eq!(ini("t = {{title}}\n\\{{title}}"), "t = 50%% \"x\"\n{{title}}");
        assert_eq!(render("\"{{title}}\"", Escape::Toml).unwrap(), "\"50% \\\"x\\\"\"");
        assert_eq!(render("X={{title}}", Escape::Shell).unwrap(), "X='50% \"x\"'");
    }

    #[test]
    fn three_braces_are_escaped_as_two_are() {
        assert_eq!(ini("{{{title}}} {{&title}} {{~title~}} !"), "50%% \"x\" 50%% \"x\"50%% \"x\"!");
    }

    #[test]
    fn blocks_and_functions() {
        assert_eq!(ini("{{#if debug}}a{{else if workers}}b{{else}}c{{/if}}"), "b");
        assert_eq!(ini("{{#unless unset}}{{#if (and (eq workers 3) (not debug))}}x{{/if}}{{/unless}}"), "x");
        assert_eq!(
            ini("{{#each hosts}}{{@index}}{{this}}{{workers}}{{#unless @last}},{{/unless}}{{/each}}"),
            "0a3,1b%%3"
        );
        assert_eq!(ini("{{#each hosts as |h i|}}{{i}}{{h}}{{../workers}} {{/each}}"), "0a3 1b%%3 ");
        assert_eq!(ini("{{join hosts \", \"}} {{len hosts}}"), "a, b%% 2");
        assert_eq!(ini("a\n{{#if workers}}\nb\n{{/if}}\n{{! note }}\nc\n"), "a\nb\nc\n");
    }

    #[test]
    fn refused_values_are_named_not_shown() {
        assert_eq!(
            render("x\n{{name}}\n{{hosts}}", Escape::Ini).unwrap_err(),
            [
                "t.hbs:2: 'name' holds a line break, where the format has room for one line (change the value of 'name')",
                "t.hbs:3: 'hosts' is a list (loop over it: '{{#each hosts}}{{this}}{{/each}}'; or '{{join hosts \", \"}}')",
            ]
        );
        let error = render("{{missing}}", Escape::Ini).unwrap_err();
        assert_eq!(error, ["t.hbs:1: there is no setting 'missing' (correct the name)"]);
    }

    #[test]
    fn what_is_not_the_language_is_a_fault_with_its_line() {
        let faults = |text: &str| render(text, Escape::None).unwrap_err().join("\n");
        assert_eq!(
            faults("\n{{> x}}"),
            "t.hbs:2: a template cannot include another (write the text here; 'if', 'unless' and 'each' are the blocks)"
        );
        assert_eq!(faults("\n\n{{#iff debug}}{{/iff}}"), "t.hbs:3: unknown block 'iff' (did you mean 'if'?)");
        assert_eq!(faults("{{eqq a b}}"), "t.hbs:1: unknown function 'eqq' (did you mean 'eq'?)");
        assert_eq!(
            faults("{{#if debug workers}}{{/if}}"),
            "t.hbs:1: 'if' takes one setting or expression (write '{{#if NAME}}'; put a function into parentheses)"
        );
        assert_eq!(faults("{{eq workers}}"), "t.hbs:1: 'eq' takes two parameters (see dh_appconfig(1), TEMPLATES)");
        assert_eq!(
            faults("{{listen.prt}}"),
            "t.hbs:1: 'listen.prt' is no setting (a setting has no parts but 'host' and 'port' of a hostport)"
        );
        assert_eq!(
            faults("{{@index}}"),
            "t.hbs:1: '@index' is no setting ('@index' has a meaning inside '{{#each NAME}}' only)"
        );
        assert_eq!(
            faults("a\n{{#if debug}}\n{{/each}}"),
            "t.hbs:3: '{{#if}}' is closed by '{{/each}}' (write '{{/if}}')"
        );
        assert!(faults("a\n{{debug}\n").starts_with("t.hbs:2: this is no Handlebars"));
        assert!(faults("{{#if debug}}\n").contains("this is no Handlebars"));
        assert_eq!(faults("{{x debug}}\n{{> y}}").lines().count(), 2);
    }

    proptest::proptest! {
        /// No text, Handlebars or not, ends in a panic.
        #[test]
        fn any_text_is_parsed_and_rendered_or_refused(
            words in proptest::collection::vec(proptest::sample::select(&[
                "{{", "}}", "{{{", "}}}", "{{#if", "{{#each", "{{/if}}", "{{/each}}", "{{else", "(eq", ")", " hosts", " as",
                " |x|", "title", "@index", "this", "../", ".", ".host", "~", "\\", "!--", "\n", " ", "=", "\"", "[", "]", "é", ">",
            ][..]), 0..12)
        ) {
            let _ = render(&words.concat(), Escape::Ini);
        }
    }

    #[test]
    fn uses_are_found_wherever_they_stand() {
        let text =
            "{{a}}\n{{#if (eq b.port 1)}}{{#each c as |d|}}{{d}}{{this}}{{../e}}{{/each}}\n{{else}}{{{f}}}{{/if}}";
        let template = Template::parse(text, Path::new("t.hbs"), Escape::None).unwrap();
        let uses: Vec<String> = template
            .uses()
            .iter()
            .map(|one| {
                format!("{}{}:{}", one.name, one.part.as_deref().map(|p| format!(".{p}")).unwrap_or_default(), one.line)
            })
            .collect();
        assert_eq!(uses, ["a:1", "b.port:2", "c:2", "e:2", "f:3"]);
    }
}
