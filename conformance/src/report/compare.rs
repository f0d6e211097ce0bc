//! What changed from one report to another: by requirement, the graver changes first.

use std::fmt::{self, Write};

use ocf_spec::Specification;

use super::{Entry, Report};
use crate::judge::{Verdict, visible};

/// A requirement whose verdict is another now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change<'a> {
    /// What it was; none where the earlier report had no such requirement.
    pub before: Option<&'a Entry>,
    /// What it is; none where the later report has no such requirement.
    pub after: Option<&'a Entry>,
}

impl Change<'_> {
    /// Whether the runtime breaks now what it did not break before.
    pub fn is_worse(&self) -> bool {
        self.is_fail() && self.before.is_none_or(|it| it.verdict != Verdict::Fail)
    }

    /// What kind of change it is, for a reader.
    fn kind(&self) -> Kind {
        match (self.before.map(|it| it.verdict), self.after.map(|it| it.verdict)) {
            (_, Some(Verdict::Fail)) => Kind::Broken,
            (Some(Verdict::Fail), Some(Verdict::Pass)) => Kind::Mended,
            (Some(Verdict::Pass | Verdict::Fail), _) => Kind::Lost,
            (_, Some(Verdict::Pass)) => Kind::Won,
            _ => Kind::Other,
        }
    }

    fn is_fail(&self) -> bool {
        self.after.is_some_and(|it| it.verdict == Verdict::Fail)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Broken,
    Lost,
    Mended,
    Won,
    Other,
}

impl Kind {
    const ALL: [(Self, &'static str); 5] = [
        (Self::Broken, "fails now"),
        (Self::Lost, "was decided, and is not any more"),
        (Self::Mended, "failed, and passes now"),
        (Self::Won, "passes now, and was not decided"),
        (Self::Other, "is undecided for another reason"),
    ];
}

/// The changes, in the specification's order.
pub fn changes<'a>(before: &'a Report, after: &'a Report) -> Vec<Change<'a>> {
    let find = |report: &'a Report, entry: &Entry| report.requirements.iter().find(|it| it.id == entry.id);
    let of_later = after.requirements.iter().map(|it| Change { before: find(before, it), after: Some(it) });
    let gone = before.requirements.iter().filter(|it| find(after, it).is_none());
    let all = of_later.chain(gone.map(|it| Change { before: Some(it), after: None }));
    all.filter(|it| it.before.map(|entry| entry.verdict) != it.after.map(|entry| entry.verdict)).collect()
}

/// The changes as text.
pub fn render(before: &Report, after: &Report, specification: &Specification) -> String {
    let mut text = String::new();
    // Writing to a String can't fail.
    let _ = document(&mut text, before, after, specification);
    text
}

fn document(out: &mut String, before: &Report, after: &Report, specification: &Specification) -> fmt::Result {
    for (word, report) in [("before", before), ("after", after)] {
        let (runtime, host) = (&report.runtime, &report.host);
        let (name, version, kernel) = (visible(&runtime.name), visible(&runtime.version), visible(&host.kernel));
        let (spec, profile) = (report.suite.spec, visible(&report.profile));
        writeln!(out, "{word:<7} {name}  {version}  under {spec}, {profile}, Linux {kernel}")?;
    }
    let changes = changes(before, after);
    for (kind, about) in Kind::ALL {
        let of_kind: Vec<_> = changes.iter().filter(|it| it.kind() == kind).collect();
        if !of_kind.is_empty() {
            writeln!(out, "\n{} {about}", of_kind.len())?;
        }
        for change in of_kind {
            change_line(out, change, specification)?;
        }
    }
    if changes.is_empty() {
        writeln!(out, "\nno verdict differs")?;
    }
    Ok(())
}

fn change_line(out: &mut String, change: &Change<'_>, specification: &Specification) -> fmt::Result {
    let Some(entry) = change.after.or(change.before) else { return Ok(()) };
    let word = |entry: Option<&Entry>| entry.map_or("not in it", |it| it.verdict.word());
    let (id, level) = (&entry.id, entry.level);
    writeln!(out, "  {id}  {level}: {} → {}", word(change.before), word(change.after))?;
    if change.is_fail() {
        let sentence = specification.get(id.as_str()).map(|it| it.sentence.as_str());
        for (name, value) in [
            ("", sentence),
            ("expected  ", entry.expected.as_deref()),
            ("seen      ", entry.seen.as_deref()),
            ("case      ", entry.case.as_deref()),
        ] {
            if let Some(value) = value {
                writeln!(out, "    {name}{}", visible(value))?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn what_is_broken_now_is_worse_and_what_is_mended_is_not() {
        let (before, mut after) = (sample::report(), sample::report());
        assert!(changes(&before, &after).is_empty());
        after.requirements[0].verdict = Verdict::Pass;
        let mended = changes(&before, &after);
        assert_eq!((mended.len(), mended[0].kind(), mended[0].is_worse()), (1, Kind::Mended, false));
        let broken = changes(&after, &before);
        assert_eq!((broken.len(), broken[0].kind(), broken[0].is_worse()), (1, Kind::Broken, true));
        let text = render(&after, &before, &sample::specification());
        assert!(text.contains("\n1 fails now\n  test.must  MUST: pass → fail\n    The runtime keeps"), "{text}");
    }

    #[test]
    fn what_only_one_of_them_has_is_a_change() {
        let (before, mut after) = (sample::report(), sample::report());
        let gone = after.requirements.remove(0);
        let found = changes(&before, &after);
        assert_eq!(found, [Change { before: Some(&gone), after: None }]);
        assert_eq!(found[0].kind(), Kind::Lost);
    }

    #[test]
    fn nothing_hostile_reaches_the_terminal() {
        let text = render(&sample::untried(), &sample::hostile(), &sample::specification());
        assert!(
            text.chars().all(|it| it == '\n' || it == '→' || visible(&it.to_string()) == it.to_string()),
            "{text:?}"
        );
    }
}
