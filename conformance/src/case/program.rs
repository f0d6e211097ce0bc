//! What a copy of the witness does when it runs as a hook.

use serde::{Deserialize, Serialize};

use super::{Question, Try};

/// A hook program: it always says that it ran, what came on stdin, and the facts of its process.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Hook {
    /// What it tries, besides.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub questions: Vec<Ask>,
    /// Whether it waits until a `while` step lets it go.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub hold: bool,
    /// The exit status.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub exit: u8,
}

/// A question without a moment: a hook has one only.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct Ask {
    /// Its name in the evidence.
    pub name: String,
    /// What to try.
    #[serde(flatten)]
    pub what: Try,
}

impl Ask {
    /// The same as a question of the moment `at`.
    pub fn at(&self, at: &str) -> Question {
        Question { name: self.name.clone(), what: self.what.clone(), at: Some(at.to_owned()) }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_zero(code: &u8) -> bool {
    *code == 0
}
