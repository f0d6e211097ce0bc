//! The limits of RDMA devices.

use serde_json::json;

use super::Subject;
use super::resources::Resources;
use crate::expectation::{Expectation, Matcher};
use crate::view::rdma::{self, Entry};

/// The greatest number that the kernel keeps, which shows as `max`.
const GREATEST: u64 = i32::MAX as u64;

/// The chapter's laws.
pub fn expect(subject: &Subject<'_>) -> Vec<Expectation> {
    let entries = match rdma::view(subject.config) {
        Ok(entries) => entries.unwrap_or_default(),
        Err(offence) => return subject.refusal(&offence),
    };
    let Some(resources) = Resources::of(subject) else { return Vec::new() };
    if entries.iter().any(|entry| resources.is_missing("rdma-devices", entry.device)) {
        return vec![resources.refused("rdma.unknown-device-refused")];
    }
    if resources.version("rdma").is_none() {
        return Vec::new();
    }
    entries.iter().flat_map(|entry| limits(&resources, entry)).collect()
}

fn limits(resources: &Resources<'_>, entry: &Entry<'_>) -> Vec<Expectation> {
    let fields =
        [("rdma.hca-handles-set", "hca_handle", entry.handles), ("rdma.hca-objects-set", "hca_object", entry.objects)];
    let law = |(id, field, number): (&str, &str, Option<u64>)| {
        let place = format!("rdma.max/{}/{field}", entry.device);
        match number {
            None => resources.shows("rdma.unset-unlimited", &place, Matcher::Equals(json!("max"))),
            Some(GREATEST) => resources.is(id, &place, "max"),
            Some(number) if number > GREATEST => resources.refused(id),
            Some(number) => resources.is(id, &place, number),
        }
    };
    fields.into_iter().map(law).collect()
}
