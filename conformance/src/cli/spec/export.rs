//! `ocf spec export`: the requirements, or a schema, for other programs.

use clap::Args;
use ocf_schema::{Kind, compare, projected, schema};
use ocf_spec::{Requirement, Source, Specification, VERSIONS, Version};
use serde::Serialize;
use serde_json::{Value, json};

use crate::cli::terminal::print_json;

/// The name of the format of exported requirements; schema/suite/requirements.json describes it.
const FORMAT: &str = "ocf-requirements/1";

#[derive(Args)]
pub struct Arguments {
    /// As it stands in this version; of requirements all versions when left out, of a schema the newest
    #[arg(long, value_name = "VERSION")]
    spec: Option<Version>,
    /// A schema, as plain JSON Schema 2020-12: config, state or features
    #[arg(long, value_name = "KIND", value_parser = ["config", "state", "features"])]
    schema: Option<String>,
    /// The requirements, which is also what is written when nothing is asked for
    #[arg(long, conflicts_with = "schema")]
    requirements: bool,
}

/// Writes to standard output.
pub fn run(arguments: &Arguments) -> Result<u8, String> {
    if let Some(version) = arguments.spec.filter(|it| !it.is_released()) {
        let known: Vec<String> = VERSIONS.iter().map(ToString::to_string).collect();
        return Err(format!("--spec {version}: no released version; there are {}", known.join(" ")));
    }
    let document = match arguments.schema.as_deref() {
        Some(word) => of_schema(word, arguments.spec.unwrap_or(VERSIONS[VERSIONS.len() - 1]))?,
        None => of_requirements(Specification::embedded(), arguments.spec),
    };
    print_json(&document)?;
    Ok(0)
}

/// A schema as it stands in a version. Its `requirement` and `severity` are annotations to any validator.
fn of_schema(word: &str, version: Version) -> Result<Value, String> {
    let kind = Kind::FORMAT.into_iter().find(|it| it.as_str() == word);
    let kind = kind.ok_or_else(|| format!("--schema {word}: no kind of document of the format"))?;
    let mut schema = compare::reachable(&projected(schema::document(kind), Specification::embedded(), version));
    if schema.is_boolean() {
        return Err(format!("--schema {word}: version {version} of the specification knows no such document"));
    }
    let id = format!("{}:{version}", schema["$id"].as_str().unwrap_or_default());
    schema["$id"] = Value::String(id);
    Ok(schema)
}

/// All requirements of a version, or of every version, chapter by chapter.
fn of_requirements(specification: &Specification, version: Option<Version>) -> Value {
    let applies = |it: &&Requirement| version.is_none_or(|version| it.applies(version));
    let chapters: Vec<Chapter<'_>> = specification
        .chapters
        .iter()
        .map(|chapter| Chapter {
            name: &chapter.name,
            introduction: &chapter.introduction,
            requirements: chapter.requirements.iter().filter(applies).map(|it| exported(specification, it)).collect(),
        })
        .filter(|chapter| !chapter.requirements.is_empty())
        .collect();
    let mut document = json!({ "format": FORMAT, "chapters": chapters });
    if let Some(version) = version {
        document["spec"] = json!(version);
    }
    document
}

#[derive(Serialize)]
struct Chapter<'a> {
    name: &'a str,
    introduction: &'a str,
    requirements: Vec<Exported<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Exported<'a> {
    id: &'a str,
    level: &'a str,
    party: &'a str,
    sentence: &'a str,
    since: Version,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<Version>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    replaced_by: Vec<&'a str>,
    source: Origin<'a>,
    clauses: Vec<Clause<'a>>,
    properties: &'a [String],
    needs: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    reading: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    not_checked: Option<&'a str>,
    draft: bool,
}

/// Where a requirement is from.
#[derive(Serialize)]
#[serde(untagged)]
enum Origin<'a> {
    Upstream {
        file: &'a str,
        anchor: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        url: Option<String>,
    },
    Ours(&'static str),
}

#[derive(Serialize)]
struct Clause<'a> {
    id: &'a str,
    keyword: &'a str,
    url: String,
}

fn exported<'a>(specification: &'a Specification, of: &'a Requirement) -> Exported<'a> {
    let tables = &specification.upstream;
    let clauses = of.clauses.iter().filter_map(|id| tables.clause(id));
    Exported {
        id: of.id.as_str(),
        level: of.level.as_str(),
        party: of.party.as_str(),
        sentence: &of.sentence,
        since: of.since,
        until: of.until,
        replaced_by: specification.successors(of).map(|it| it.id.as_str()).collect(),
        source: origin(specification, of),
        clauses: clauses.map(|it| Clause { id: &it.id, keyword: it.keyword, url: it.url() }).collect(),
        properties: &of.properties,
        needs: &of.needs,
        reading: of.reading.as_deref(),
        not_checked: of.not_checked.as_deref(),
        draft: of.draft,
    }
}

fn origin<'a>(specification: &Specification, of: &'a Requirement) -> Origin<'a> {
    match &of.source {
        Source::Upstream { file, anchor } => Origin::Upstream { file, anchor, url: specification.page(of) },
        Source::Ours => Origin::Ours("ours"),
    }
}

#[cfg(test)]
mod tests {
    use ocf_schema::{Severity, validate};

    use super::*;

    #[test]
    fn the_exported_requirements_satisfy_their_schema() {
        for version in [None].into_iter().chain(VERSIONS.map(Some)) {
            let document = of_requirements(Specification::embedded(), version);
            assert_eq!(validate(Kind::Requirements, &document, VERSIONS[6]), [], "{version:?}");
        }
    }

    #[test]
    fn every_requirement_has_its_page_unless_it_is_ours() {
        let document = of_requirements(Specification::embedded(), None);
        let chapters = document["chapters"].as_array().unwrap();
        let all: Vec<&Value> = chapters.iter().flat_map(|it| it["requirements"].as_array().unwrap()).collect();
        assert_eq!(all.len(), Specification::embedded().requirements().count());
        for requirement in all {
            let url = requirement["source"]["url"].as_str().unwrap_or_default();
            assert!(url.starts_with("https://") || requirement["source"] == "ours", "{requirement:#}");
        }
    }

    #[test]
    fn a_version_has_what_is_in_force_there() {
        let ids =
            |version: &str| of_requirements(Specification::embedded(), Some(version.parse().unwrap())).to_string();
        assert!(ids("1.2.1").contains(r#""hooks.poststart-failure-continues""#));
        assert!(!ids("1.3.0").contains(r#""hooks.poststart-failure-continues""#));
    }

    #[test]
    fn the_schema_of_each_version_is_plain_json_schema() {
        for kind in Kind::FORMAT {
            for version in VERSIONS {
                if kind == Kind::Features && version < Version::new(1, 1, 0) {
                    assert!(of_schema(kind.as_str(), version).unwrap_err().contains("knows no such document"));
                    continue;
                }
                let schema = of_schema(kind.as_str(), version).unwrap();
                assert_eq!(schema["$id"], format!("urn:ocf:{}:{version}", kind.as_str()));
                let text = schema.to_string();
                assert!(!text.contains(r#""since":""#) && !text.contains(r#""until":""#), "{kind:?} {version}");
                let strange = ocf_schema::Validator::new(kind, &schema, Specification::embedded(), version).map(|_| ());
                assert_eq!(strange, Ok(()), "{kind:?} {version}");
            }
        }
    }

    #[test]
    fn what_a_version_does_not_know_is_not_described() {
        let schema = |version: &str| of_schema("config", version.parse().unwrap()).unwrap();
        let has = |version: &str, pointer: &str| schema(version).pointer(pointer).is_some();
        assert!(has("1.1.0", "/properties/domainname") && !has("1.0.2", "/properties/domainname"));
        assert!(!has("1.0.2", "/$defs/memory-policy"), "a definition that nothing refers to");
        let document = json!({"ociVersion": "1.0.2", "domainname": 5});
        let validator = |version: &str| {
            let schema = schema(version);
            let version = version.parse().unwrap();
            let validator =
                ocf_schema::Validator::new(Kind::Config, &schema, Specification::embedded(), version).unwrap();
            validator
                .validate(&document)
                .into_iter()
                .filter(|it| it.severity == Severity::Error)
                .map(|it| it.pointer)
                .collect::<Vec<_>>()
        };
        assert!(validator("1.1.0").contains(&"/domainname".to_owned()));
        assert!(!validator("1.0.2").contains(&"/domainname".to_owned()));
    }
}
