//! The one Handlebars registry, over the templates of share/templates/.
//!
//! Templates are embedded and named for the file that they produce. Strict: a
//! variable that is not given is an error. Nothing is HTML-escaped; `{{sh x}}`
//! quotes a word for a POSIX shell.

use std::sync::OnceLock;

use handlebars::{Context, Handlebars, Helper, HelperResult, Output, RenderContext, RenderError, no_escape};
use serde::Serialize;

use crate::error::{Error, Result};
use crate::plan::quote;

/// Name and text of every template.
const TEMPLATES: &[(&str, &str)] = &[
    ("appconfig/config.sh", include_str!("../share/templates/appconfig/config.sh.hbs")),
    ("appconfig/postinst.service.sh", include_str!("../share/templates/appconfig/postinst.service.sh.hbs")),
    ("appconfig/postinst.sh", include_str!("../share/templates/appconfig/postinst.sh.hbs")),
    ("appconfig/postrm.sh", include_str!("../share/templates/appconfig/postrm.sh.hbs")),
    ("appconfig/prerm.sh", include_str!("../share/templates/appconfig/prerm.sh.hbs")),
    ("supervisord/logrotate", include_str!("../share/templates/supervisord/logrotate.hbs")),
    ("supervisord/postinst-converge.sh", include_str!("../share/templates/supervisord/postinst-converge.sh.hbs")),
    ("supervisord/postinst-enable.sh", include_str!("../share/templates/supervisord/postinst-enable.sh.hbs")),
    ("supervisord/postinst-link.sh", include_str!("../share/templates/supervisord/postinst-link.sh.hbs")),
    ("supervisord/postinst.sh", include_str!("../share/templates/supervisord/postinst.sh.hbs")),
    ("supervisord/postrm.sh", include_str!("../share/templates/supervisord/postrm.sh.hbs")),
    ("supervisord/stop.sh", include_str!("../share/templates/supervisord/stop.sh.hbs")),
    ("venv/console-script.py", include_str!("../share/templates/venv/console-script.py.hbs")),
    ("venv/postinst.sh", include_str!("../share/templates/venv/postinst.sh.hbs")),
    ("venv/postrm.sh", include_str!("../share/templates/venv/postrm.sh.hbs")),
    ("venv/preinst.sh", include_str!("../share/templates/venv/preinst.sh.hbs")),
    ("venv/pyvenv.cfg", include_str!("../share/templates/venv/pyvenv.cfg.hbs")),
    ("venv/stand-in.sh", include_str!("../share/templates/venv/stand-in.sh.hbs")),
    ("zeoclient/deploy.ini", include_str!("../share/templates/zeoclient/deploy.ini.hbs")),
    ("zeoclient/grok.conf", include_str!("../share/templates/zeoclient/grok.conf.hbs")),
    ("zeoclient/postrm.sh", include_str!("../share/templates/zeoclient/postrm.sh.hbs")),
    ("zeoclient/site-grok.zcml", include_str!("../share/templates/zeoclient/site-grok.zcml.hbs")),
    ("zeoclient/site-zope.zcml", include_str!("../share/templates/zeoclient/site-zope.zcml.hbs")),
    ("zeoclient/start.sh", include_str!("../share/templates/zeoclient/start.sh.hbs")),
    ("zeoclient/zodb.conf", include_str!("../share/templates/zeoclient/zodb.conf.hbs")),
    ("zeoclient/zope.conf", include_str!("../share/templates/zeoclient/zope.conf.hbs")),
    ("zeoclient/zope.ini", include_str!("../share/templates/zeoclient/zope.ini.hbs")),
];

/// The template `name` with the values of `data`.
pub fn render(name: &str, data: &impl Serialize) -> Result<String> {
    static REGISTRY: OnceLock<std::result::Result<Handlebars<'static>, String>> = OnceLock::new();
    let registry = REGISTRY.get_or_init(registry).as_ref().map_err(|error| Error::failed(error.clone()))?;
    registry.render(name, data).map_err(|error| Error::failed(format!("template {name}: {}", error.reason())))
}

fn registry() -> std::result::Result<Handlebars<'static>, String> {
    let mut registry = Handlebars::new();
    registry.set_strict_mode(true);
    registry.register_escape_fn(no_escape);
    registry.register_helper("sh", Box::new(shell_word));
    for (name, text) in TEMPLATES {
        registry.register_template_string(name, text).map_err(|error| format!("template {name}: {error}"))?;
    }
    Ok(registry)
}

fn shell_word(
    helper: &Helper<'_>,
    _: &Handlebars<'_>,
    _: &Context,
    _: &mut RenderContext<'_, '_>,
    out: &mut dyn Output,
) -> HelperResult {
    let Some(word) = helper.param(0).and_then(|param| param.value().as_str()) else {
        return Err(RenderError::from(handlebars::RenderErrorReason::ParamTypeMismatchForName(
            "sh",
            "0".to_owned(),
            "string".to_owned(),
        )));
    };
    out.write(&quote(word))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_template_parses() {
        registry().unwrap();
    }

    #[test]
    fn words_are_quoted_and_missing_ones_are_errors() {
        let text = render("venv/stand-in.sh", &serde_json::json!({"interpreter": "/a b/python", "script": "/it's"}));
        assert_eq!(text.unwrap(), "#!/bin/sh\nexec '/a b/python' '/it'\\''s' \"$@\"\n");
        assert!(render("venv/stand-in.sh", &serde_json::json!({"script": "x"})).is_err());
    }
}
