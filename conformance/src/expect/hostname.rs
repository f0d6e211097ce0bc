//! The host name and the NIS domain name.

use serde_json::json;

use super::{Subject, inside};
use crate::expectation::{Expectation, Matcher, token};
use crate::view::hostname::view;

/// The names inside; and, where they would be the runtime's too, what it does with such a config.
pub fn expect(subject: &Subject<'_>) -> Vec<Expectation> {
    let names = match view(subject.config) {
        Ok(Some(names)) => names,
        Ok(None) => return Vec::new(),
        Err(offence) => return subject.refusal(&offence),
    };
    let mut laws = Vec::new();
    if let Some(start) = subject.started() {
        let applied = |requirement, fact, name: &str| {
            super::expect(requirement, &start, inside(&start, fact), Matcher::Equals(json!(name)))
        };
        laws.extend(names.host.map(|name| applied("hostname.applied", "hostname", name)));
        laws.extend(names.domain.map(|name| applied("hostname.domainname-applied", "domainname", name)));
    }
    if !names.own_namespace
        && let Some(create) = subject.created()
    {
        let choice = |requirement| {
            super::expect(requirement, &create, format!("/steps/{}/failed", token(&create)), Matcher::PRESENT)
        };
        laws.extend(names.host.map(|_| choice("hostname.runtime-namespace")));
        laws.extend(names.domain.map(|_| choice("hostname.domainname-runtime-namespace")));
    }
    laws
}
