//! Whose ids the process has, and its umask.

use serde_json::json;

use super::{Subject, inside};
use crate::expectation::{Expectation, Matcher};
use crate::view::user::view;

/// Ids, groups and umask of the process. The id for file access follows the effective one (credentials(7)).
pub fn expect(subject: &Subject<'_>) -> Vec<Expectation> {
    let user = match view(subject.config) {
        Ok(Some(user)) => user,
        Ok(None) => return Vec::new(),
        Err(offence) => return subject.refusal(&offence),
    };
    let Some(start) = subject.started() else { return Vec::new() };
    let law = |requirement, fact, matcher| super::expect(requirement, &start, inside(&start, fact), matcher);
    let ids = |id: u64| Matcher::Equals(json!({ "real": id, "effective": id, "saved": id }));
    let mut laws = vec![
        law("user.uid-applied", "uid", ids(user.uid)),
        law("user.gid-applied", "gid", ids(user.gid)),
        law("user.further-gids", "groups", Matcher::PRESENT),
        match user.umask {
            Some(mask) => law("user.umask-applied", "umask", Matcher::Equals(json!(mask))),
            None => law("user.umask-unset", "umask", Matcher::SameAs("/before/umask".into())),
        },
    ];
    let member = |gid: &u64| law("user.additional-gids-applied", "groups", Matcher::Contains(json!(gid)));
    laws.extend(user.additional_gids.iter().map(member));
    laws
}
