//! `ocf spec lint`: what is wrong with the specification itself, with its schemas and its fixtures.

mod constraints;
mod document;
mod fixtures;
mod schemas;
mod tree;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use clap::Args;
use ocf_schema::{Kind, rules};
use ocf_spec::{Party, Requirement, Sources, SpecError, Specification, lint};

use crate::checks::Checks;
use crate::cli::terminal::{Ink, Page, counted};
use crate::profile::Profile;
use tree::Tree;

#[derive(Args)]
pub struct Arguments {
    /// A checkout of this project; what this program carries when left out
    #[arg(value_name = "DIR")]
    directory: Option<PathBuf>,
    /// List the warnings, too, and not only how many each chapter has
    #[arg(long, short)]
    verbose: bool,
}

/// Lints, and prints; gives the exit status: 1 if there is an error.
pub fn run(arguments: &Arguments) -> Result<u8, String> {
    let linted = Linted::of(arguments.directory.as_deref())?;
    linted.page(arguments.verbose).print()?;
    Ok(u8::from(!linted.errors.is_empty()))
}

/// Every error of a checkout, for whoever lints it again and again.
pub(super) fn errors(directory: &Path) -> Result<Vec<SpecError>, String> {
    Ok(Linted::of(Some(directory))?.errors)
}

/// What was found, in the order of files and lines.
#[derive(Debug, Default)]
struct Linted {
    errors: Vec<SpecError>,
    /// By what is wrong, and by chapter.
    warnings: BTreeMap<&'static str, BTreeMap<String, Vec<SpecError>>>,
    /// What was looked at, for a reader.
    looked_at: String,
}

impl Linted {
    fn of(directory: Option<&Path>) -> Result<Self, String> {
        let (tree, sources) = match directory {
            None => (Tree::embedded(), Sources::embedded()),
            Some(directory) => {
                let sources =
                    Sources::read(&directory.join("spec")).map_err(|e| format!("{}: spec/{e}", directory.display()))?;
                (Tree::read(directory)?, sources)
            }
        };
        match Specification::of(&sources) {
            Ok(specification) => Ok(Self::whole(&tree, &sources, &specification, Checks::shared()?)),
            // What cites a chapter that can't be read would seem to cite what isn't there.
            Err(errors) => Ok(Self {
                errors: in_spec(errors),
                looked_at: "the chapters and tables alone; the rest is looked at once they are read".to_owned(),
                ..Self::default()
            }),
        }
    }

    fn whole(tree: &Tree, sources: &Sources, specification: &Specification, checks: &Checks) -> Self {
        let mut errors = in_spec(lint::of_sentences(specification));
        errors.extend(in_spec(lint::of_coverage(specification, sources)));
        let schemas = schemas::lint(tree, specification);
        let fixtures = fixtures::lint(tree, specification);
        errors.extend(schemas.errors);
        errors.extend(fixtures.errors);
        errors.extend(programs(tree, specification, checks));
        errors.extend(profiles(tree, specification));
        errors.extend(unbroken(specification, &schemas.enforced, &fixtures.broken));
        let mut warnings: BTreeMap<_, BTreeMap<String, Vec<_>>> = BTreeMap::new();
        for (requirement, what) in unchecked(specification, &schemas.enforced, checks) {
            let chapter = requirement.id.chapter().to_owned();
            warnings.entry(what).or_default().entry(chapter).or_default().push(at(requirement, what));
        }
        errors.sort();
        let counts = [
            counted(specification.requirements().count(), "requirement"),
            counted(specification.chapters.len(), "chapter"),
            counted(schemas.count, "schema"),
            counted(fixtures.cases, "case"),
            counted(fixtures.wrong, "wrong document"),
        ];
        Self { errors, warnings, looked_at: counts.join(", ") }
    }

    fn page(&self, verbose: bool) -> Page {
        let mut page = Page::new();
        self.errors.iter().for_each(|error| page.line(Ink::Plain, &error.to_string()));
        for (what, chapters) in &self.warnings {
            page.gap();
            let count: usize = chapters.values().map(Vec::len).sum();
            page.line(Ink::Strong, &format!("{}: {what}", counted(count, "warning")));
            chapters.iter().for_each(|(chapter, warnings)| of_chapter(&mut page, chapter, warnings, verbose));
        }
        page.gap();
        self.sum(&mut page, verbose);
        page
    }

    fn sum(&self, page: &mut Page, verbose: bool) {
        let warnings: usize = self.warnings.values().flat_map(BTreeMap::values).map(Vec::len).sum();
        let list = if verbose || warnings == 0 { "" } else { " (--verbose lists them)" };
        let (errors, warnings) = (counted(self.errors.len(), "error"), counted(warnings, "warning"));
        let ink = if self.errors.is_empty() { Ink::Green } else { Ink::Red };
        let sum = format!("{}: {errors}, {warnings}{list}", self.looked_at);
        let words: Vec<(&str, Ink)> = sum.split_whitespace().map(|word| (word, ink)).collect();
        page.words(("", Ink::Plain), 0, &words);
    }
}

/// How many warnings a chapter has, and perhaps each of them.
fn of_chapter(page: &mut Page, chapter: &str, warnings: &[SpecError], verbose: bool) {
    page.line(Ink::Plain, &format!("  {chapter:<18}{:>4}", warnings.len()));
    for warning in warnings.iter().filter(|_| verbose) {
        let line = warning.line.map_or_else(String::new, |line| format!(":{line}"));
        let id = warning.message.split(':').next().unwrap_or_default();
        page.line(Ink::Faint, &format!("    {}{line}: {id}", warning.file));
    }
}

fn in_spec(errors: Vec<SpecError>) -> Vec<SpecError> {
    errors.into_iter().map(|it| SpecError { file: format!("spec/{}", it.file), ..it }).collect()
}

/// An error at a requirement's heading.
fn at(requirement: &Requirement, message: &str) -> SpecError {
    SpecError {
        file: format!("spec/chapters/{}.md", requirement.id.chapter()),
        line: Some(requirement.line),
        message: format!("{}: {message}", requirement.id),
    }
}

/// An id that the specification does not have, with the one that it most likely meant.
fn dangling(specification: &Specification, id: &str) -> Option<String> {
    if specification.get(id).is_some() {
        return None;
    }
    let near = specification.nearest(id).map(|near| format!("; did you mean {near}?")).unwrap_or_default();
    Some(format!("{id} is no requirement{near}"))
}

/// Ids that this program's rules and laws cite.
fn programs(tree: &Tree, specification: &Specification, checks: &Checks) -> Vec<SpecError> {
    let rules = Kind::FORMAT.into_iter().flat_map(rules::of).filter_map(|rule| rule.requirement);
    let rules = rules.map(|id| ("schema/src/rules", id));
    let is_law = |check: &crate::checks::Check| !check.by_law.is_empty() || !check.generated.is_empty();
    let laws = checks.iter().filter(|(_, check)| is_law(check)).map(|(id, _)| ("conformance/src/expect", id));
    let cited: BTreeSet<(&str, &str)> = rules.chain(laws).collect();
    cited
        .into_iter()
        .filter_map(|(folder, id)| {
            let message = dangling(specification, id)?;
            let stem = id.split('.').next().unwrap_or_default().replace('-', "_");
            let (file, line) = tree.place_of(folder, &stem, &format!("\"{id}\""));
            Some(SpecError { file, line, message })
        })
        .collect()
}

/// Ids and chapters that profiles name.
fn profiles(tree: &Tree, specification: &Specification) -> Vec<SpecError> {
    let mut errors = Vec::new();
    for (file, text) in tree.below("conformance/profiles/") {
        let error = |line, message| SpecError { file: file.to_owned(), line, message };
        match serde_json::from_str::<Profile>(text) {
            Err(why) => errors.push(error(Some(why.line().max(1)), why.to_string())),
            Ok(profile) => errors.extend(profile.dangling(specification).into_iter().map(|name| {
                let quoted = format!("\"{name}\"");
                let line = text.lines().position(|line| line.contains(&quoted)).map(|at| at + 1);
                error(line, format!("{name} is no requirement and no chapter"))
            })),
        }
    }
    errors
}

/// Requirements that a schema or a rule enforces, and that no static fixture breaks.
fn unbroken(specification: &Specification, enforced: &BTreeSet<String>, broken: &BTreeSet<String>) -> Vec<SpecError> {
    let without = enforced.difference(broken).filter_map(|id| specification.get(id));
    without.map(|it| at(it, "it is enforced statically, and no static fixture breaks it")).collect()
}

/// Requirements that nothing checks, and that do not say why; and those that say so and are checked all the same. What
/// a runtime owes and a document alone shows is no check of a runtime.
fn unchecked<'s>(
    specification: &'s Specification,
    enforced: &BTreeSet<String>,
    checks: &Checks,
) -> Vec<(&'s Requirement, &'static str)> {
    let found = specification.requirements().filter_map(|it| {
        let check = checks.get(&it.id);
        let is_static = check.is_static() || enforced.contains(it.id.as_str());
        match &it.not_checked {
            None if !is_static && !check.is_run() => Some((it, "neither a check nor a reason")),
            Some(_) if check.is_run() || is_static && it.party != Party::Runtime => {
                Some((it, "checked, and says why it is not"))
            }
            _ => None,
        }
    });
    found.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkout_is_linted_like_what_is_embedded() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let (read, embedded) = (Linted::of(Some(root)).unwrap(), Linted::of(None).unwrap());
        assert_eq!(read.looked_at, embedded.looked_at);
        assert_eq!(read.errors.len(), embedded.errors.len(), "{:#?}", read.errors);
    }

    #[test]
    fn warnings_are_counted_by_chapter_and_listed_if_asked_for() {
        let (tree, mut sources) = (Tree::embedded(), Sources::embedded());
        let hostname = &mut sources.chapters.iter_mut().find(|it| it.0 == "hostname").unwrap().1;
        hostname.push_str("\n## hostname.unseen\nMUST, runtime, since 1.0.0, ours\nNobody sees it.\n");
        let specification = Specification::of(&sources).unwrap();
        let linted = Linted::whole(&tree, &sources, &specification, Checks::shared().unwrap());
        let words = |verbose| linted.page(verbose).text().split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words(false).contains("neither a check nor a reason"), "{}", words(false));
        assert!(words(false).contains("hostname 1") && !words(false).contains("hostname.unseen"), "{}", words(false));
        assert!(words(true).contains(": hostname.unseen"), "{}", words(true));
    }

    #[test]
    fn a_directory_that_is_no_checkout_is_trouble() {
        assert!(Linted::of(Some(Path::new("/nowhere"))).unwrap_err().starts_with("/nowhere: spec/"));
    }

    /// What the lint says when in one file of the embedded edition one text is replaced by another.
    fn after(checks: &Checks, file: &str, what: &str, by: &str) -> Vec<String> {
        let mut tree = Tree::embedded();
        let mut sources = Sources::embedded();
        match file.strip_prefix("spec/chapters/") {
            Some(chapter) => {
                let name = chapter.trim_end_matches(".md");
                let text = &mut sources.chapters.iter_mut().find(|it| it.0 == name).unwrap().1;
                assert!(text.contains(what), "{what}");
                *text = text.replacen(what, by, 1);
            }
            None => tree.replace(file, what, by),
        }
        let specification = Specification::of(&sources).unwrap();
        let linted = Linted::whole(&tree, &sources, &specification, checks);
        linted.errors.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn each_kind_of_error_is_found_at_its_place() {
        let cases = [
            ("schema/config.json", "\"hostname.string\"", "\"hostname.strings\"", "did you mean hostname.string?"),
            ("schema/state.json", "\"type\": \"object\"", "\"type\": \"objects\"", "meta-schema"),
            ("schema/state.json", "\"requirement\"", "\"demand\"", "a constraint without a requirement"),
            (
                "schema/state.json",
                "\"description\": \"The container's id.\"",
                "\"words\": \"\"",
                "a property without a description",
            ),
            (
                "fixtures/static/hostname.json",
                "\"breaks\": \"hostname.",
                "\"breaks\": \"hostnames.",
                "is no requirement",
            ),
            ("fixtures/hostname/dotted.json", "\"about\": \"", "\"about\": \"it should be that ", "should"),
            ("fixtures/hostname/dotted.json", "{\n", "{\n  \"about\": \"x\",\n", "stands twice"),
            (
                "conformance/profiles/linux-core.json",
                "\"levels\"",
                "\"chapters\": [\"hostnames\"],\"levels\"",
                "hostnames is no",
            ),
            ("spec/chapters/hostname.md", "is a string.", "is a string. It lasts.", "2 sentences"),
        ];
        let checks = Checks::embedded().unwrap();
        for (file, what, by, expected) in cases {
            let errors = after(&checks, file, what, by);
            let place = format!("{file}:");
            assert!(errors.iter().any(|it| it.starts_with(&place) && it.contains(expected)), "{file}: {errors:#?}");
        }
    }

    #[test]
    fn a_fixture_that_is_gone_leaves_its_requirement_unbroken() {
        let checks = Checks::embedded().unwrap();
        let (breaks, other) = ("\"breaks\": \"masked-paths.array\"", "\"breaks\": \"masked-paths.absolute\"");
        let errors = after(&checks, "fixtures/static/masked-paths.json", breaks, other);
        assert_eq!(errors.len(), 1, "{errors:#?}");
        assert!(errors[0].starts_with("spec/chapters/masked-paths.md:"), "{errors:#?}");
    }
}
