//! The questions of a chapter, and where their answers lie.
//!
//! What the case itself asks at the same moment is not asked twice: then the answer is found below the case's own
//! name for it, under which its control asks, too, so that the fact gets its second value.

use crate::case::{Case, MAIN, Question, Step, Try, Verb};
use crate::expectation::token;

/// What a chapter asks when the witness reports.
pub struct Raised<'a> {
    chapter: &'static str,
    case: &'a Case,
    moment: String,
    tries: Vec<Try>,
}

impl<'a> Raised<'a> {
    /// Nothing yet; none if the case never starts its container.
    pub fn new(chapter: &'static str, case: &'a Case) -> Option<Self> {
        let steps = case.steps();
        let starts = |step: &&Step| matches!(step, Step::Call(call) if matches!(call.verb, Verb::Start | Verb::Run) && call.container == MAIN);
        let moment = steps.iter().find(starts)?.name();
        Some(Self { chapter, case, moment, tries: Vec::new() })
    }

    /// Asks this, once.
    pub fn add(&mut self, what: Try) {
        if !self.tries.contains(&what) {
            self.tries.push(what);
        }
    }

    /// The questions that the case does not ask itself.
    pub fn questions(&self) -> Vec<Question> {
        let numbered = self.tries.iter().enumerate().filter(|(_, what)| self.own(what).is_none());
        let question = |(number, what): (usize, &Try)| Question {
            name: self.name(number),
            what: what.clone(),
            at: Some(self.moment.clone()),
        };
        numbered.map(question).collect()
    }

    /// What is asked, by the chapter or by the case itself.
    pub fn tries(&self) -> &[Try] {
        &self.tries
    }

    /// Where the answer lies; none if this is asked by nobody.
    pub fn fact(&self, what: &Try) -> Option<String> {
        let numbered = || self.tries.iter().position(|asked| asked == what).map(|number| self.name(number));
        let name = self.own(what).map(str::to_owned).or_else(numbered)?;
        Some(format!("/inside/{}/{}", token(&self.moment), token(&name)))
    }

    fn own(&self, what: &Try) -> Option<&str> {
        let same = |question: &&Question| question.moment() == self.moment && question.what == *what;
        self.case.questions.iter().find(same).map(|question| question.name.as_str())
    }

    fn name(&self, number: usize) -> String {
        format!("{}.{number}", self.chapter)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_the_case_asks_is_not_asked_again() {
        let own = json!([{ "name": "marker", "read": "/marker" }]);
        let case: Case = serde_json::from_value(json!({ "about": "a", "questions": own })).unwrap();
        let mut raised = Raised::new("c", &case).unwrap();
        raised.add(Try::Read("/marker".into()));
        raised.add(Try::List("/".into()));
        raised.add(Try::List("/".into()));
        assert_eq!(raised.questions().iter().map(|it| it.name.as_str()).collect::<Vec<_>>(), ["c.1"]);
        assert_eq!(raised.fact(&Try::Read("/marker".into())).as_deref(), Some("/inside/start/marker"));
        assert_eq!(raised.fact(&Try::List("/".into())).as_deref(), Some("/inside/start/c.1"));
        assert_eq!(raised.fact(&Try::List("/x".into())), None);
    }
}
