//! What a valid bundle was refused for: of its differences from the base, which the same runtime runs, the smallest set
//! that is refused as well.

use ocf_schema::{Kind, Severity, validate_bytes};
use serde_json::{Value, json};

use super::Session;
use crate::case::{Base, Call, Case, Hook, Step, Verb};
use crate::evidence::Evidence;
use crate::expect;
use crate::expectation::{Expectation, Matcher};
use crate::reduce::{self, Difference};

/// So many times at most a refused bundle is tried again with less in it.
const TRIES: usize = 24;

/// Whom to blame for what was not reached in this case; none unless a valid bundle was refused though nothing asks for it.
pub(super) fn of(session: &Session<'_>, evidence: &Evidence, base: &Base) -> Option<Vec<String>> {
    // A hook that fails, or never ends, is there to break the operation.
    let is_meant = |hook: &Hook| hook.hold || hook.exit != 0;
    let case = &evidence.definition;
    if !is_refused(evidence) || case.raw.is_some() || case.hooks.values().any(is_meant) {
        return None;
    }
    let expected = expect::expectations(&session.header, evidence);
    if expected.is_empty() || expected.iter().any(asks_for_an_error) {
        return None;
    }
    let plain = Case::default().config(base, session.header.spec).ok().flatten()?;
    let config = evidence.definition.config(base, session.header.spec).ok().flatten()?;
    let refused = |config: &Value| is_valid(session, config) && is_refused(&again(session, evidence, base, config));
    if !is_valid(session, &config) {
        return None;
    }
    let mut tries = TRIES;
    let parts = reduce::differences(&plain, &config);
    let blamed = reduce::smallest(parts, &mut tries, |kept| refused(&reduce::with(&plain, kept)));
    // The setup, the caller or the root file system is what matters, or it was chance.
    if blamed.is_empty() {
        return None;
    }
    let blamed = match &blamed[..] {
        [one] => within(one, &plain, &mut tries, refused),
        _ => blamed.into_iter().map(|it| it.place).collect(),
    };
    Some(blamed)
}

/// Which members or elements of one difference matter, by their places; its own if none of them does alone.
fn within(whole: &Difference, plain: &Value, tries: &mut usize, refused: impl Fn(&Value) -> bool) -> Vec<String> {
    let config = reduce::with(plain, std::slice::from_ref(whole));
    let places: Vec<String> = match &whole.value {
        Some(Value::Object(fields)) => fields.keys().map(|it| crate::expectation::token(it)).collect(),
        Some(Value::Array(items)) => {
            let before = plain.pointer(&whole.place).and_then(Value::as_array);
            let is_new = |item: &Value| !before.is_some_and(|before| before.contains(item));
            items.iter().enumerate().filter(|(_, item)| is_new(item)).map(|(index, _)| index.to_string()).collect()
        }
        _ => Vec::new(),
    };
    let places: Vec<_> = places.into_iter().map(|name| format!("{}/{name}", whole.place)).collect();
    let kept = reduce::smallest(places.clone(), tries, |kept| {
        let gone = places.iter().filter(|place| !kept.contains(place)).cloned().collect();
        refused(&reduce::without(&config, &gone))
    });
    if kept.is_empty() { vec![whole.place.clone()] } else { kept }
}

/// The same case with another config.
fn again(session: &Session<'_>, evidence: &Evidence, base: &Base, config: &Value) -> Evidence {
    let whole = json!([{ "op": "replace", "path": "", "value": config }]);
    let case = Case { config: None, patch: Some(whole), ..evidence.definition.clone() };
    session.run(&evidence.case, evidence.role, case, base.clone())
}

/// Whether a call that takes a bundle to its program failed by itself, and the program never ran.
fn is_refused(evidence: &Evidence) -> bool {
    let fact = |pointer: &str| evidence.facts.pointer(pointer);
    let failed = |step: &Step| {
        let name = crate::expectation::token(&step.name());
        let launches = matches!(step, Step::Call(Call { verb: Verb::Create | Verb::Start | Verb::Run, .. }));
        launches
            && fact(&format!("/steps/{name}/failed")) == Some(&Value::Bool(true))
            && fact(&format!("/steps/{name}/timeout")) != Some(&Value::Bool(true))
    };
    let ran = fact("/journal/process ran").is_some();
    evidence.trouble.is_none() && !ran && evidence.definition.steps().iter().any(failed)
}

fn asks_for_an_error(expectation: &Expectation) -> bool {
    let fails = expectation.fact.starts_with("/steps/") && expectation.fact.ends_with("/failed");
    match &expectation.matcher {
        Matcher::Refused(_) => true,
        Matcher::Equals(Value::Bool(true)) => fails,
        _ => false,
    }
}

/// Whether nothing in the config, placeholders aside, is an error: a broken one may be refused for that alone.
fn is_valid(session: &Session<'_>, config: &Value) -> bool {
    // Whatever a placeholder stands for is a path, or only a name.
    let text = config.to_string().replace("\"${", "\"/${");
    let findings = validate_bytes(Kind::Config, text.as_bytes(), session.header.spec);
    findings.iter().all(|it| it.severity != Severity::Error)
}
