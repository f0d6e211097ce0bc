//! The fixtures: in their format's form, about what is, and meant for requirements that there are.

use std::collections::{BTreeMap, BTreeSet};

use ocf_schema::Kind;
use ocf_spec::{SpecError, Specification};
use serde_json::Value;

use super::dangling;
use super::document::{Document, below};
use super::tree::Tree;
use crate::case::Case;

/// The folders that hold no cases of a chapter.
const NO_CASES: [&str; 5] = ["base", "engines", "src", "static", "target"];

/// What was found in the fixtures.
#[derive(Debug, Default)]
pub(super) struct Fixtures {
    pub(super) errors: Vec<SpecError>,
    /// The requirements that a static fixture breaks.
    pub(super) broken: BTreeSet<String>,
    pub(super) cases: usize,
    pub(super) wrong: usize,
}

pub(super) fn lint(tree: &Tree, specification: &Specification) -> Fixtures {
    let mut found = Fixtures::default();
    let mut abouts = BTreeMap::new();
    for (path, text) in tree.below("fixtures/") {
        let Some((chapter, rest)) = path["fixtures/".len()..].split_once('/') else { continue };
        let is_static = chapter == "static" && !rest.contains('/');
        if !is_static && NO_CASES.contains(&chapter) {
            continue;
        }
        match Document::read(path, text) {
            Err(error) => found.errors.push(error),
            Ok(document) if is_static => found.add_static(document, specification),
            Ok(document) => found.add_case(document, text, specification, &mut abouts),
        }
    }
    found
}

impl Fixtures {
    fn add_case<'t>(
        &mut self,
        mut document: Document<'t>,
        text: &str,
        specification: &Specification,
        abouts: &mut BTreeMap<String, &'t str>,
    ) {
        self.cases += 1;
        document.validate(Kind::Fixture);
        if let Err(why) = Case::parse(text) {
            document.complain(String::new(), why.to_string());
        }
        about(&mut document, "");
        let description = document.value["about"].as_str().unwrap_or_default().to_owned();
        if let Some(other) = abouts.insert(description, document.path()) {
            document.complain("/about".to_owned(), format!("{other} is about the same"));
        }
        let listed = listed(&document.value, "/requirements");
        let mut seen = BTreeSet::new();
        for (pointer, id) in &listed {
            if !seen.insert(id) {
                document.complain(pointer.clone(), format!("{id} stands twice"));
            }
        }
        let expected = document.value["expect"].as_array().into_iter().flatten().enumerate();
        let expected =
            expected.filter_map(|(at, it)| Some((format!("/expect/{at}/requirement"), it["requirement"].as_str()?)));
        let cited: Vec<(String, String)> =
            listed.into_iter().chain(expected.map(|(pointer, id)| (pointer, id.to_owned()))).collect();
        exist(&mut document, cited, specification);
        self.errors.extend(document.errors());
    }

    fn add_static(&mut self, mut document: Document<'_>, specification: &Specification) {
        document.validate(Kind::Static);
        about(&mut document, "");
        let count = document.value["wrong"].as_array().map_or(0, Vec::len);
        let mut cited = Vec::new();
        let mut seen = BTreeSet::new();
        for at in 0..count {
            let pointer = format!("/wrong/{at}");
            about(&mut document, &pointer);
            let wrong = &document.value["wrong"][at];
            let text = |member: &str| wrong[member].as_str().unwrap_or_default().to_owned();
            let (id, what) = (text("breaks"), text("about"));
            if !seen.insert((id.clone(), what)) {
                document.complain(pointer.clone(), format!("{id} is broken twice under the same words"));
            }
            cited.push((below(&pointer, "breaks"), id));
        }
        self.wrong += count;
        self.broken.extend(cited.iter().map(|(_, id)| id.clone()));
        exist(&mut document, cited, specification);
        self.errors.extend(document.errors());
    }
}

/// A fixture says what is, and leaves what has to be to the specification.
fn about(document: &mut Document<'_>, pointer: &str) {
    let place = below(pointer, "about");
    let about = document.value.pointer(&place).and_then(Value::as_str).unwrap_or_default();
    if about.split(|c: char| !c.is_alphanumeric()).any(|word| word.eq_ignore_ascii_case("should")) {
        document.complain(place, "it says what is, without `should`".to_owned());
    }
}

fn listed(document: &Value, pointer: &str) -> Vec<(String, String)> {
    let all = document.pointer(pointer).and_then(Value::as_array).into_iter().flatten().enumerate();
    all.filter_map(|(at, id)| Some((format!("{pointer}/{at}"), id.as_str()?.to_owned()))).collect()
}

fn exist(document: &mut Document<'_>, cited: Vec<(String, String)>, specification: &Specification) {
    for (pointer, id) in cited {
        if let Some(message) = dangling(specification, &id) {
            document.complain(pointer, message);
        }
    }
}
