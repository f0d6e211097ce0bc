//! report.html: one file without script or outside reference, understood in ten seconds.
//!
//! Every text that isn't ours passes through [`Text`], so nothing that a runtime or a host said is read as HTML.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Write};

use ocf_spec::{Requirement, Specification};

use super::{Entry, Report, Share, Tally};
use crate::host::View;
use crate::judge::{Verdict, visible};

const STYLE: &str = include_str!("html.css");

/// What bars and legends show from left to right: the good, the bad, then what is open.
pub(super) const SHOWN: [Verdict; 8] = [
    Verdict::Pass,
    Verdict::Fail,
    Verdict::Error,
    Verdict::Blocked,
    Verdict::Undecidable,
    Verdict::Undecided,
    Verdict::Unsupported,
    Verdict::Observed,
];

/// The page.
pub fn render(report: &Report, specification: &Specification) -> String {
    let mut html = String::new();
    // Writing to a String can't fail.
    let _ = page(&mut html, report, specification);
    html
}

fn page(out: &mut String, report: &Report, specification: &Specification) -> fmt::Result {
    let page = Page { report, specification };
    let (name, verdict) = (Text(&report.runtime.name), report.verdict.word());
    writeln!(
        out,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>{name}: {verdict}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>"
    )?;
    page.banner(out)?;
    writeln!(out, "<main>")?;
    page.identity(out)?;
    page.trouble(out)?;
    if report.unusable.is_none() {
        page.levels(out)?;
        page.failures(out)?;
        page.open(out)?;
        page.coverage(out)?;
        page.chapters(out)?;
    }
    writeln!(out, "</main>")?;
    footer(out, report)?;
    writeln!(out, "</body>\n</html>")
}

struct Page<'a> {
    report: &'a Report,
    specification: &'a Specification,
}

impl Page<'_> {
    fn banner(&self, out: &mut String) -> fmt::Result {
        let report = self.report;
        let (verdict, spec, profile) = (report.verdict.word(), report.suite.spec, Text(&report.profile));
        let version = report.runtime.version.lines().next().unwrap_or_default();
        let (name, version) = (Text(&report.runtime.name), Text(short_version(version)));
        writeln!(out, "<header class=\"banner {verdict}\"><div>")?;
        writeln!(out, "<p class=\"about\">OCI Runtime Specification {spec} · profile {profile}</p>")?;
        writeln!(out, "<h1>{name} <span>{version}</span></h1>")?;
        let sentence = report.sentence();
        writeln!(out, "<p class=\"verdict\"><b>{verdict}</b>: {}</p>", Text(&sentence))?;
        if report.unusable.is_none() {
            let total = report.total();
            write!(out, "<p class=\"numbers\">")?;
            for verdict in SHOWN.into_iter().filter(|it| total.of(*it) > 0) {
                write!(out, "<span><b>{}</b>{}</span>", total.of(verdict), verdict.word())?;
            }
            writeln!(out, "<span><b>{}</b>requirements</span></p>", total.total)?;
        }
        writeln!(out, "</div></header>")
    }

    fn identity(&self, out: &mut String) -> fmt::Result {
        let Report { runtime, host, suite, .. } = self.report;
        let cases = self.report.cases;
        let view = match host.cgroups.view {
            View::Host => "the host's",
            View::V1 => "v1 only",
            View::V2 => "v2 only",
        };
        let list = |names: &std::collections::BTreeSet<String>| names.iter().cloned().collect::<Vec<_>>().join(" ");
        let row = |out: &mut String, name: &str, value: &str| match value {
            "" => Ok(()),
            value => writeln!(out, "<div><dt>{name}</dt><dd>{}</dd></div>", Text(value)),
        };
        writeln!(out, "<dl class=\"card identity\">")?;
        row(out, "Runtime", &runtime.path)?;
        row(out, "Version", &runtime.version.lines().collect::<Vec<_>>().join(", "))?;
        row(out, "SHA-256", &runtime.sha256)?;
        row(out, "Adapter", &runtime.adapter)?;
        row(out, "System", &host.system)?;
        row(out, "Kernel", &format!("{} {}", host.kernel, host.machine))?;
        row(
            out,
            "Cgroups",
            &format!("{view}; v1: {}; v2: {}", or_none(&list(&host.cgroups.v1)), or_none(&list(&host.cgroups.v2))),
        )?;
        row(out, "LSMs", &list(&host.lsms))?;
        row(out, "Started", &self.report.started)?;
        row(out, "Took", &format!("{:.1} s, {} cases, {} controls", self.report.seconds, cases.run, cases.controls))?;
        row(out, "Suite", &suite.version)?;
        row(out, "Status", &self.report.exit_status.to_string())?;
        writeln!(out, "</dl>")
    }

    /// What the reader must know before any figure: what kept the run from being whole, or changed it.
    fn trouble(&self, out: &mut String) -> fmt::Result {
        let report = self.report;
        if let Some(unusable) = &report.unusable {
            writeln!(out, "<h2>In its own words</h2>\n<div class=\"card note\"><p>{}</p>", Text(&unusable.seen))?;
            writeln!(out, "<pre>{}</pre></div>", Lines(&unusable.words))?;
        }
        let patch = report.adapter_config.as_ref().map(ToString::to_string);
        let waived: Vec<_> =
            report.requirements.iter().filter(|it| it.waived.is_some()).map(|it| it.id.as_str()).collect();
        for (title, text) in [
            ("The run was stopped", report.stopped.clone()),
            ("The host lacks what the profile needs", some_joined(&report.host_lacks, ", ")),
            ("Cases left out", report.left_out_in_words()),
            ("Valid bundles refused", report.refused_in_words()),
            ("Only a part of the cases", report.shard.clone()),
            ("Only these were run", some_joined(&report.selection, " ")),
            ("The adapter changes every config", patch),
            ("Kept out of the exit status", some_joined(&waived, " ")),
        ] {
            if let Some(text) = text {
                writeln!(out, "<p class=\"card note\"><b>{title}:</b> {}</p>", Text(&text))?;
            }
        }
        Ok(())
    }

    fn levels(&self, out: &mut String) -> fmt::Result {
        writeln!(out, "<h2>By level</h2>\n<div class=\"card\"><div class=\"levels\">")?;
        for (level, tally) in &self.report.summary {
            let kept = match level {
                ocf_spec::Level::May => tally.observed,
                _ => tally.pass,
            };
            writeln!(out, "<span class=\"name\">{level}</span>{}", Bar(tally))?;
            writeln!(out, "<span class=\"count\"><b>{kept}</b> of {}</span>", tally.total)?;
        }
        writeln!(out, "</div>\n<div class=\"legend\">")?;
        let total = self.report.total();
        for verdict in SHOWN.into_iter().filter(|it| total.of(*it) > 0) {
            let (word, count) = (verdict.word(), total.of(verdict));
            writeln!(out, "<span class=\"{word}\">{word} {count}</span>")?;
        }
        writeln!(out, "</div></div>")
    }

    fn failures(&self, out: &mut String) -> fmt::Result {
        let failed = self.report.failed();
        writeln!(out, "<h2>Failed <small>{}</small></h2>", failed.len())?;
        if failed.is_empty() {
            return writeln!(out, "<p class=\"card\">Nothing that was decided failed.</p>");
        }
        failed.into_iter().try_for_each(|entry| self.card(out, entry))
    }

    fn card(&self, out: &mut String, entry: &Entry) -> fmt::Result {
        let (id, level, verdict) = (&entry.id, entry.level, entry.verdict.word());
        let beside = if entry.in_profile { "" } else { " · not of the profile" };
        let again = self.report.again(id);
        writeln!(
            out,
            "<div class=\"card failed {verdict}\"><p class=\"head\"><a class=\"id\" href=\"#{id}\">{id}</a>"
        )?;
        writeln!(out, "<span class=\"level\">{level}{beside}</span></p>")?;
        writeln!(out, "<h3>{}</h3><dl>", Prose(self.sentence(entry)))?;
        for (name, value) in findings(entry) {
            writeln!(out, "<dt>{name}</dt><dd><code>{}</code></dd>", Text(value))?;
        }
        writeln!(out, "<dt>again</dt><dd class=\"again\"><code>{}</code></dd></dl></div>", Text(&again))
    }

    /// What is not decided, by reason: first of the profile, then beside it.
    fn open(&self, out: &mut String) -> fmt::Result {
        for (title, in_profile) in [("Not decided", true), ("Not of the profile", false)] {
            let is_open = |it: &&Entry| it.in_profile == in_profile && it.reason.is_some();
            let open: Vec<_> = self.report.requirements.iter().filter(is_open).collect();
            if open.is_empty() {
                continue;
            }
            writeln!(out, "<h2>{title} <small>{}, by reason</small></h2>", open.len())?;
            for ((verdict, kind), entries) in by_reason(&open) {
                let (word, count) = (verdict.word(), entries.len());
                writeln!(out, "<details class=\"card fold\"><summary><span class=\"name\">{}</span>", Text(kind))?;
                writeln!(
                    out,
                    "<span class=\"chip {word}\">{word}</span><span class=\"count\">{count}</span></summary>"
                )?;
                writeln!(out, "<div class=\"body\"><ul class=\"ids\">")?;
                for entry in entries {
                    let (id, level) = (&entry.id, entry.level);
                    write!(out, "<li><a class=\"id\" href=\"#{id}\">{id}</a> <span class=\"level\">{level}</span>")?;
                    let particulars = entry.reason_particulars().unwrap_or_default();
                    writeln!(out, "<span class=\"soft\">{}</span></li>", Text(particulars))?;
                }
                writeln!(out, "</ul></div></details>")?;
            }
        }
        Ok(())
    }

    fn chapters(&self, out: &mut String) -> fmt::Result {
        writeln!(out, "<h2>Every requirement <small>by chapter</small></h2>")?;
        let entries = &self.report.requirements;
        for chapter in entries.chunk_by(|one, other| one.id.chapter() == other.id.chapter()) {
            let name = chapter.first().map_or("", |it| it.id.chapter());
            let tally: Tally = chapter.iter().filter(|it| it.in_profile).map(|it| it.verdict).collect();
            writeln!(out, "<details class=\"card fold\"><summary><span class=\"name\">{name}</span>{}", Bar(&tally))?;
            let (kept, of) = (tally.pass + tally.observed, tally.total);
            writeln!(out, "<span class=\"count\">{kept} of {of}</span></summary><div class=\"body\">")?;
            chapter.iter().try_for_each(|entry| self.requirement(out, entry))?;
            writeln!(out, "</div></details>")?;
        }
        Ok(())
    }

    fn requirement(&self, out: &mut String, entry: &Entry) -> fmt::Result {
        let (id, level, verdict) = (&entry.id, entry.level, entry.verdict.word());
        writeln!(
            out,
            "<details class=\"requirement\" id=\"{id}\"><summary><span class=\"chip {verdict}\">{verdict}</span>"
        )?;
        writeln!(
            out,
            "<span class=\"sentence\">{}<br><span class=\"id\">{id}</span></span>",
            Prose(self.sentence(entry))
        )?;
        writeln!(out, "<span class=\"level\">{level}</span></summary><dl>")?;
        for (name, value) in findings(entry) {
            writeln!(out, "<dt>{name}</dt><dd><code>{}</code></dd>", Text(value))?;
        }
        for (name, value) in self.origins(entry) {
            writeln!(out, "<dt>{name}</dt><dd>{}</dd>", Text(&value))?;
        }
        writeln!(out, "</dl></details>")
    }

    /// From where a requirement comes, and what raised it.
    fn origins(&self, entry: &Entry) -> Vec<(&'static str, String)> {
        let known = self.requirement_of(entry);
        let uncounted = match entry.not_discriminating {
            0 => String::new(),
            passes => format!("{passes} passes, as nothing they rest on took a second value"),
        };
        let origins = [
            ("source", known.map(|it| it.source.to_string()).unwrap_or_default()),
            ("reading", known.and_then(|it| it.reading.clone()).unwrap_or_default()),
            ("clauses", entry.clauses.join(" ")),
            ("properties", entry.properties.join(" ")),
            ("cases", some_cases(&entry.cases)),
            ("not counted", uncounted),
        ];
        origins.into_iter().filter(|(_, text)| !text.is_empty()).collect()
    }

    fn coverage(&self, out: &mut String) -> fmt::Result {
        let (coverage, cases) = (self.report.coverage, self.report.cases);
        writeln!(out, "<h2>How much of the text this is</h2>\n<div class=\"figures\">")?;
        figure(out, coverage.clauses, "upstream clauses with MUST or SHOULD that our requirements for runtimes carry")?;
        figure(out, coverage.properties, "leaf properties of config.json on Linux whose effect was decided")?;
        let (run, controls, troubled) = (cases.run, cases.controls, cases.troubled);
        writeln!(
            out,
            "<div class=\"card\"><b>{run}</b><p>cases, with {controls} controls beside them; \
             {troubled} of all had trouble of the harness's own</p></div>\n</div>"
        )
    }

    fn sentence(&self, entry: &Entry) -> &str {
        self.requirement_of(entry).map_or("", |it| it.sentence.as_str())
    }

    fn requirement_of(&self, entry: &Entry) -> Option<&Requirement> {
        self.specification.get(entry.id.as_str())
    }
}

/// What was found, line by line.
fn findings(entry: &Entry) -> impl Iterator<Item = (&'static str, &str)> {
    let findings = [
        ("expected", &entry.expected),
        ("seen", &entry.seen),
        ("case", &entry.case),
        ("reason", &entry.reason),
        ("waived", &entry.waived),
    ];
    findings.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?)))
}

fn by_reason<'a>(open: &[&'a Entry]) -> Vec<((Verdict, &'a str), Vec<&'a Entry>)> {
    let mut groups: BTreeMap<(Verdict, &str), Vec<&Entry>> = BTreeMap::new();
    for entry in open {
        groups.entry((entry.verdict, entry.reason_kind())).or_default().push(entry);
    }
    groups.into_iter().collect()
}

fn figure(out: &mut String, share: Share, about: &str) -> fmt::Result {
    let Share { decided, of } = share;
    writeln!(out, "<div class=\"card\"><b>{decided} <small>of {of}</small></b><p>{about}</p></div>")
}

fn footer(out: &mut String, report: &Report) -> fmt::Result {
    writeln!(out, "<footer><p>What the words mean</p><dl>")?;
    for (word, meaning) in [
        ("pass", "kept: a fact was really observed, and was another one elsewhere in this run"),
        ("fail", "broken"),
        ("error", "the harness had trouble of its own"),
        ("blocked", "a step that had to be reached was not"),
        ("undecidable", "this host, or what can be seen of this runtime, lacks something"),
        ("undecided", "no case raised it, or no pass counted; the reason says which"),
        ("unsupported", "the text permits a choice, and the runtime does not claim it"),
        ("observed", "a MAY: recorded, never judged"),
    ] {
        writeln!(out, "<dt><span class=\"chip {word}\">{word}</span></dt><dd>{meaning}</dd>")?;
    }
    let version = Text(&report.suite.version);
    writeln!(
        out,
        "</dl><p>Made by ocf {version}, which is not affiliated with the Open Container Initiative. \
         This is not its certification.</p></footer>"
    )
}

/// A bar with a piece for each verdict, as wide as it is frequent.
struct Bar<'a>(&'a Tally);

impl Display for Bar<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let some = || SHOWN.into_iter().filter(|it| self.0.of(*it) > 0);
        let words: Vec<_> = some().map(|it| format!("{} {}", self.0.of(it), it.word())).collect();
        write!(f, "<span class=\"bar\" role=\"img\" aria-label=\"{}\">", words.join(", "))?;
        for verdict in some() {
            let (word, count) = (verdict.word(), self.0.of(verdict));
            write!(f, "<i class=\"{word}\" style=\"flex:{count}\" title=\"{count} {word}\"></i>")?;
        }
        f.write_str("</span>")
    }
}

/// Text that isn't ours, made visible and escaped for an element or a quoted attribute.
pub(crate) struct Text<'a>(pub(crate) &'a str);

impl Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in visible(self.0).chars() {
            match character {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                it => f.write_char(it)?,
            }
        }
        Ok(())
    }
}

/// The specification's own text, escaped all the same, with what stands between backquotes as code.
pub(crate) struct Prose<'a>(pub(crate) &'a str);

impl Display for Prose<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut pieces = self.0.split('`').peekable();
        let mut is_code = false;
        while let Some(piece) = pieces.next() {
            match is_code && pieces.peek().is_some() {
                true => write!(f, "<code>{}</code>", Text(piece))?,
                false => write!(f, "{}", Text(piece))?,
            }
            is_code = !is_code;
        }
        Ok(())
    }
}

/// Text that isn't ours of several lines, which stay lines.
struct Lines<'a>(&'a str);

impl Display for Lines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.lines().try_for_each(|line| writeln!(f, "{}", Text(line)))
    }
}

/// The last word of a line like `runc version 1.1.5`, which a heading has room for.
pub(crate) fn short_version(line: &str) -> &str {
    line.split_whitespace().next_back().unwrap_or_default()
}

fn some_joined(parts: &[impl AsRef<str>], separator: &str) -> Option<String> {
    let parts: Vec<_> = parts.iter().map(AsRef::as_ref).collect();
    (!parts.is_empty()).then(|| parts.join(separator))
}

fn or_none(text: &str) -> &str {
    if text.is_empty() { "none" } else { text }
}

/// The first cases by name; report.json has all of them.
fn some_cases(cases: &[String]) -> String {
    let shown = cases.len().min(8);
    let rest = cases.len() - shown;
    let more = if rest > 0 { format!(" and {rest} more") } else { String::new() };
    cases[..shown].join(" ") + &more
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    fn html(report: &Report) -> String {
        render(report, &sample::specification())
    }

    #[test]
    fn the_verdict_the_runtime_and_each_failure_stand_before_the_chapters() {
        let html = html(&sample::report());
        let (before, chapters) = html.split_once("<h2>Every requirement").unwrap();
        for text in [
            "<header class=\"banner nonconformant\">",
            "<h1>runc <span>1.1.5</span></h1>",
            "1 of 2 MUSTs of linux-core are broken",
            "<h3>The runtime keeps what it has to keep.</h3>",
            "<dt>expected</dt><dd><code>/before/fact: 1</code></dd>",
            "<dt>seen</dt><dd><code>2</code></dd>",
            "<code>ocf test --runtime /usr/sbin/runc test.must --keep</code>",
            "<span class=\"soft\">controller:hugetlb, controller:rdma</span>",
        ] {
            assert!(before.contains(text), "{text}");
        }
        for entry in &sample::report().requirements {
            assert_eq!(chapters.matches(&format!("id=\"{}\"", entry.id)).count(), 1, "{}", entry.id);
        }
    }

    #[test]
    fn what_a_runtime_says_is_never_markup_and_never_hidden() {
        for report in [sample::hostile(), sample::unusable()] {
            let html = html(&report);
            assert!(!html.contains("<script") && !html.contains("alert('1')"));
            let shown = html.chars().filter(|it| *it != '\n');
            assert!(shown.into_iter().all(|it| visible(&it.to_string()) == it.to_string()));
            assert!(is_balanced(&html));
        }
        assert!(html(&sample::hostile()).contains("\\u{1b}]0;x\\u{7}\\u{9b}2J&lt;script&gt;alert(&#39;1&#39;)"));
    }

    #[test]
    fn what_stands_between_backquotes_is_code() {
        let prose = Prose("Of `a<b>` and `c` the rest ` is prose.").to_string();
        assert_eq!(prose, "Of <code>a&lt;b&gt;</code> and <code>c</code> the rest  is prose.");
    }

    #[test]
    fn nothing_is_fetched_from_elsewhere() {
        let html = html(&sample::report());
        for reference in ["http://", "https://", "src=", "url(", "@import", "<link"] {
            assert!(!html.contains(reference), "{reference}");
        }
        assert!(html.matches("href=").count() == html.matches("href=\"#").count());
    }

    #[test]
    fn an_unusable_runtime_shows_its_words_and_no_figures() {
        let html = html(&sample::unusable());
        assert!(html.contains("<pre>cgroups: \\u{1b}[2Jnot supported\n]]&gt; try another host\n</pre>"));
        assert!(!html.contains("<h2>By level"));
    }

    /// Whether every element is closed in its turn, and every sign that opens a tag is one of ours.
    fn is_balanced(html: &str) -> bool {
        let body = html.split_once("<body>").unwrap().1.split_once("</body>").unwrap().0;
        let mut open = Vec::new();
        for piece in body.split('<').skip(1) {
            let tag = piece.split('>').next().unwrap();
            let name = tag.trim_start_matches('/').split(' ').next().unwrap();
            match tag.starts_with('/') {
                true if open.pop() != Some(name) => return false,
                false if name != "br" => open.push(name),
                _ => {}
            }
        }
        open.is_empty()
    }
}
