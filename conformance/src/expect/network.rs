//! The marks of packets, which cgroup v1 alone sets.

use super::Subject;
use super::resources::Resources;
use crate::expectation::Expectation;
use crate::view::network;

/// The chapter's laws.
pub fn expect(subject: &Subject<'_>) -> Vec<Expectation> {
    let view = match network::view(subject.config) {
        Ok(view) => view.unwrap_or_default(),
        Err(offence) => return subject.refusal(&offence),
    };
    let Some(resources) = Resources::of(subject) else { return Vec::new() };
    let has = |controller: &str| subject.host.cgroups.v1.contains(controller);
    let mut all = Vec::new();
    // With 0, configs often say that there is none.
    all.extend(view.class_id.filter(|class| *class > 0).map(|class| match has("net_cls") {
        true => resources.is("network.class-id-set", "net_cls.classid", class),
        false => resources.refused("network.class-id-unsupported-refused"),
    }));
    if view.priorities.is_empty() {
        return all;
    }
    if !has("net_prio") {
        all.push(resources.refused("network.priorities-unsupported-refused"));
    } else if view.priorities.iter().any(|(name, _)| resources.is_missing("interfaces", name)) {
        all.push(resources.refused("network.unknown-interface-refused"));
    } else {
        let line = |(name, priority): &(&str, u64)| {
            resources.is("network.priority-set", &format!("net_prio.ifpriomap/{name}"), *priority)
        };
        all.extend(view.priorities.iter().map(line));
    }
    all
}
