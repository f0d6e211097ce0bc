//! `ocf spec html`: the whole specification as one page without script or outside reference. Anchors are ids; the
//! margin says how each requirement is checked, and what runtimes make of it.

use std::fmt::{self, Write};
use std::fs;
use std::path::PathBuf;

use clap::Args;
use ocf_spec::{Chapter, Requirement, Source, Specification, VERSIONS, Version};

use crate::checks::{Check, Checks, Tested, published};
use crate::judge::Verdict;
use crate::report::html::{Prose, Text};

/// The tokens and the text of reports, which this page shares.
const REPORT_STYLE: &str = include_str!("../../report/html.css");
const STYLE: &str = include_str!("html.css");

#[derive(Args)]
pub struct Arguments {
    /// Write the page here; to standard output when left out
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Only what applies to this version
    #[arg(long, value_name = "VERSION")]
    spec: Option<Version>,
    /// The published reports whose verdicts stand in the margin
    #[arg(long, value_name = "DIR", default_value = "reports")]
    reports: PathBuf,
}

/// Writes the page.
pub fn run(arguments: &Arguments) -> Result<u8, String> {
    let checks = Checks::embedded()?;
    let tested = published(&arguments.reports)?;
    let page =
        Page { specification: Specification::embedded(), checks: &checks, tested: &tested, version: arguments.spec };
    let html = page.render();
    match &arguments.out {
        Some(file) => fs::write(file, html).map_err(|e| format!("write {}: {e}", file.display()))?,
        None => print!("{html}"),
    }
    Ok(0)
}

/// What the page is made from.
struct Page<'a> {
    specification: &'a Specification,
    checks: &'a Checks,
    tested: &'a [Tested],
    version: Option<Version>,
}

impl Page<'_> {
    fn render(&self) -> String {
        let mut html = String::new();
        // Writing to a String can't fail.
        let _ = self.page(&mut html);
        html
    }

    fn page(&self, out: &mut String) -> fmt::Result {
        writeln!(
            out,
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
             <title>The container format, requirement by requirement</title>\n\
             <style>\n{REPORT_STYLE}{STYLE}</style>\n</head>\n<body class=\"specification\">"
        )?;
        self.contents(out)?;
        writeln!(out, "<main>")?;
        self.title(out)?;
        self.chapters().try_for_each(|chapter| self.chapter(out, chapter))?;
        writeln!(out, "</main>\n</body>\n</html>")
    }

    /// The chapters that have something to say.
    fn chapters(&self) -> impl Iterator<Item = &Chapter> {
        self.specification.chapters.iter().filter(|chapter| self.requirements(chapter).next().is_some())
    }

    fn requirements<'c>(&self, chapter: &'c Chapter) -> impl Iterator<Item = &'c Requirement> {
        let version = self.version;
        chapter.requirements.iter().filter(move |it| version.is_none_or(|version| it.applies(version)))
    }

    fn contents(&self, out: &mut String) -> fmt::Result {
        writeln!(out, "<nav aria-label=\"chapters\"><ul>")?;
        for chapter in self.chapters() {
            let (name, count) = (&chapter.name, self.requirements(chapter).count());
            writeln!(out, "<li><a href=\"#{name}\">{name}</a> <small>{count}</small></li>")?;
        }
        writeln!(out, "</ul></nav>")
    }

    fn title(&self, out: &mut String) -> fmt::Result {
        let all: Vec<&Requirement> = self.chapters().flat_map(|chapter| self.requirements(chapter)).collect();
        let (first, last) = (VERSIONS[0], VERSIONS[VERSIONS.len() - 1]);
        let versions = self.version.map_or_else(|| format!("{first} to {last}"), |version| version.to_string());
        let statically = all.iter().filter(|it| self.checks.get(&it.id).is_static()).count();
        let raised = all.iter().filter(|it| !self.checks.get(&it.id).cases.is_empty()).count();
        writeln!(
            out,
            "<h1>The container format, requirement by requirement</h1>\n<p class=\"soft\">OCI Runtime Specification \
             {versions}, in {} requirements of our own words: {statically} are checked without running anything, \
             {raised} by running a runtime. Upstream's text stays the authority, and each requirement links to its \
             place there.</p>",
            all.len()
        )?;
        if !self.tested.is_empty() {
            let name = |it: &Tested| format!("<b>{}</b> (by {})", Text(&it.name), it.report.suite.spec);
            let names: Vec<String> = self.tested.iter().map(name).collect();
            writeln!(out, "<p class=\"soft\">The margin shows the published reports of {}.</p>", names.join(", "))?;
        }
        Ok(())
    }

    fn chapter(&self, out: &mut String, chapter: &Chapter) -> fmt::Result {
        let name = &chapter.name;
        writeln!(out, "<section id=\"{name}\">\n<h2><a href=\"#{name}\">{name}</a></h2>")?;
        writeln!(out, "<p>{}</p>", Prose(&chapter.introduction))?;
        self.requirements(chapter).try_for_each(|requirement| self.requirement(out, requirement))?;
        writeln!(out, "</section>")
    }

    fn requirement(&self, out: &mut String, requirement: &Requirement) -> fmt::Result {
        let Requirement { id, level, party, .. } = requirement;
        let tone = if level.is_must() {
            "must"
        } else if level.is_should() {
            "should"
        } else {
            "may"
        };
        writeln!(
            out,
            "<article id=\"{id}\">\n<div class=\"text\">\n<p class=\"sentence\">{}</p>",
            Prose(&requirement.sentence)
        )?;
        writeln!(
            out,
            "<p class=\"about\"><a class=\"id\" href=\"#{id}\">{id}</a> <span class=\"level {tone}\">{level}</span> \
             {party} · {} · {}</p>",
            versions(requirement),
            self.source(requirement)
        )?;
        if !requirement.needs.is_empty() {
            writeln!(out, "<p class=\"about\">Needs {}</p>", Text(&requirement.needs.join(", ")))?;
        }
        let successors: Vec<String> = self
            .specification
            .successors(requirement)
            .map(|it| format!("<a href=\"#{id}\">{id}</a>", id = Text(it.id.as_str())))
            .collect();
        if !successors.is_empty() {
            writeln!(out, "<p class=\"about\">Replaced by {}</p>", successors.join(", "))?;
        }
        if let Some(reading) = &requirement.reading {
            writeln!(out, "<p class=\"reading\"><b>Reading</b> {}</p>", Prose(reading))?;
        }
        writeln!(out, "</div>\n<aside>")?;
        self.margin(out, requirement)?;
        writeln!(out, "</aside>\n</article>")
    }

    /// Where upstream's text says it; an anchor stands in the tables, or the grammar would have refused it.
    fn source(&self, requirement: &Requirement) -> String {
        let Source::Upstream { file, .. } = &requirement.source else {
            return "ours".to_owned();
        };
        let url = self.specification.page(requirement).unwrap_or_default();
        let ids = requirement.clauses.join(" ");
        format!("<a href=\"{}\">{}</a> <small>{}</small>", Text(&url), Text(file), Text(&ids))
    }

    fn margin(&self, out: &mut String, requirement: &Requirement) -> fmt::Result {
        let check = self.checks.get(&requirement.id);
        writeln!(out, "<p>{}</p>", Text(&how(requirement, &check)))?;
        let verdicts: Vec<(&Tested, Verdict)> =
            self.tested.iter().filter_map(|it| Some((it, it.verdict(requirement)?))).collect();
        if !verdicts.is_empty() {
            writeln!(out, "<ul>")?;
            for (tested, verdict) in verdicts {
                let word = verdict.word();
                writeln!(out, "<li><span class=\"chip {word}\">{word}</span> {}</li>", Text(&tested.name))?;
            }
            writeln!(out, "</ul>")?;
        }
        Ok(())
    }
}

/// How it is checked, in a few words.
fn how(requirement: &Requirement, check: &Check) -> String {
    let counted = |count: usize, one: &str, many: &str| match count {
        1 => format!("1 {one}"),
        _ => format!("{count} {many}"),
    };
    let by = match (check.schema, check.rule) {
        (true, true) => Some("schema and rule"),
        (true, false) => Some("schema"),
        (false, true) => Some("rule"),
        (false, false) => None,
    };
    let wrong = || counted(check.wrong.len(), "wrong document", "wrong documents");
    let parts = [
        requirement.draft.then(|| "draft".to_owned()),
        by.map(|by| format!("{by}: {}", wrong())),
        check.files.then(|| "a bundle's files".to_owned()),
        (!check.cases.is_empty()).then(|| counted(check.cases.len(), "case", "cases")),
        requirement.not_checked.as_ref().map(|why| format!("not checked: {why}")),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    if parts.is_empty() { "no check yet".to_owned() } else { parts.join("; ") }
}

fn versions(requirement: &Requirement) -> String {
    match requirement.until {
        None => format!("since {}", requirement.since),
        Some(until) => format!("{} to before {until}", requirement.since),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn html(version: Option<&str>) -> String {
        let checks = Checks::embedded().unwrap();
        let version = version.map(|it| it.parse().unwrap());
        Page { specification: Specification::embedded(), checks: &checks, tested: &[], version }.render()
    }

    #[test]
    fn every_requirement_has_its_anchor_and_every_source_its_link() {
        let html = html(None);
        for requirement in Specification::embedded().requirements() {
            assert!(html.contains(&format!("<article id=\"{}\">", requirement.id)), "{}", requirement.id);
        }
        assert!(!html.contains("href=\"\""));
    }

    #[test]
    fn a_version_has_only_what_applies_to_it() {
        assert!(html(Some("1.0.2")).contains("id=\"namespaces.type-before-time\""));
        assert!(!html(Some("1.1.0")).contains("id=\"namespaces.type-before-time\""));
    }

    #[test]
    fn nothing_is_fetched_from_elsewhere() {
        let html = html(None);
        for loading in ["<script", "<link", "<img", "@import", "url("] {
            assert!(!html.contains(loading), "{loading}");
        }
    }
}
