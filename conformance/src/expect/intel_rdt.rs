//! The container's groups in resctrl, before, during and after its life.

use ocf_spec::Version;
use serde_json::{Value, json};

use super::{Subject, expect as expected, refused};
use crate::case::{MAIN, Step, Verb};
use crate::evidence::UNREADABLE;
use crate::expectation::{Expectation, Matcher, token};
use crate::run::id;
use crate::view::intel_rdt::{self, Share, View};

/// The version whose config has `schemata` and `enableMonitoring`.
const WITH_SCHEMATA: &str = "1.3.0";

/// The chapter's laws.
pub fn expect(subject: &Subject<'_>) -> Vec<Expectation> {
    let Some(laws) = Laws::of(subject) else { return Vec::new() };
    match intel_rdt::view(subject.config) {
        Ok(Some(_)) if laws.is_unmounted() => vec![refused("intel-rdt.unmounted-refused", &laws.created)],
        Ok(Some(view)) => laws.joined(&view),
        Ok(None) if laws.is_mounted() => vec![laws.untouched()],
        Ok(None) => Vec::new(),
        Err(offence) => subject.refusal(&offence),
    }
}

struct Laws<'a> {
    subject: &'a Subject<'a>,
    created: String,
    started: String,
    before: Option<&'a Value>,
}

impl<'a> Laws<'a> {
    fn of(subject: &'a Subject<'_>) -> Option<Self> {
        let before = subject.before.get("resctrl");
        Some(Self { subject, created: subject.created()?, started: subject.started()?, before })
    }

    fn is_unmounted(&self) -> bool {
        self.before.is_some_and(|groups| groups.get(UNREADABLE).is_some())
    }

    fn is_mounted(&self) -> bool {
        self.before.is_some_and(|groups| groups.get(UNREADABLE).is_none())
    }

    fn group_before(&self, name: &str) -> Option<&'a Value> {
        self.before.and_then(|groups| groups.get(name))
    }

    /// What a group shows once the container is created.
    fn shows(&self, requirement: &str, group: &str, part: &str, matcher: Matcher) -> Expectation {
        let fact = format!("/host/{}/resctrl/{}{part}", token(&self.created), token(group));
        expected(requirement, &self.started, fact, matcher)
    }

    /// What a group shows once the container is deleted.
    fn left(&self, requirement: &str, group: &str, part: &str, matcher: Matcher) -> Option<Expectation> {
        let call = self.subject.call(Verb::Delete).filter(|call| call.container == MAIN)?;
        let deleted = Step::Call(call.clone()).name();
        let fact = format!("/host/{}/resctrl/{}{part}", token(&deleted), token(group));
        Some(expected(requirement, &deleted, fact, matcher))
    }

    fn untouched(&self) -> Expectation {
        let fact = format!("/host/{}/resctrl", token(&self.created));
        expected("intel-rdt.untouched", &self.started, fact, Matcher::SameAs("/before/resctrl".to_owned()))
    }

    fn knows_schemata(&self) -> bool {
        self.subject.spec >= WITH_SCHEMATA.parse::<Version>().unwrap_or(self.subject.spec)
    }

    fn joined(&self, view: &View) -> Vec<Expectation> {
        let own = id(MAIN);
        let name = view.class.as_deref().unwrap_or(&own);
        let has_schema = view.has_older_schema || view.has_schemata && self.knows_schemata();
        let (known, there) = (self.before.is_some(), self.group_before(name));
        if view.class.is_some() && known && there.is_none() && !has_schema {
            return ["intel-rdt.clos-missing-before", "intel-rdt.clos-missing-refused"]
                .map(|requirement| refused(requirement, &self.created))
                .into();
        }
        if let (Some(_), Some(group)) = (&view.class, there)
            && view.cache.iter().chain(&view.bandwidth).any(|share| differs(group, share))
        {
            return vec![refused("intel-rdt.clos-mismatch-refused", &self.created)];
        }
        if view.monitored && there.is_some_and(|group| group["monitors"].get(&own).is_some()) {
            return vec![refused("intel-rdt.monitoring-group-failure-refused", &self.created)];
        }
        let mut all = self.place(view, name, there, has_schema);
        all.extend(self.schemas(view, name));
        all.extend(self.monitoring(view, name, &own));
        if !has_schema {
            all.push(self.schemata_untouched());
        }
        all
    }

    fn place(&self, view: &View, name: &str, there: Option<&Value>, has_schema: bool) -> Vec<Expectation> {
        let holds = |requirement: &str| self.shows(requirement, name, "/holds", Matcher::Equals(json!(true)));
        let mut all = Vec::new();
        match view.class.as_deref() {
            Some("/") => all.push(holds("intel-rdt.task-in-default-clos")),
            Some(_) => {
                all.push(holds("intel-rdt.task-in-clos"));
                if !has_schema {
                    all.push(holds("intel-rdt.clos-assigned"));
                }
                if there.is_none() {
                    all.push(self.shows("intel-rdt.clos-created", name, "", Matcher::PRESENT));
                }
                all.extend(self.left("intel-rdt.clos-kept", name, "", Matcher::PRESENT));
            }
            None => {
                all.push(self.shows("intel-rdt.own-directory-created", name, "", Matcher::PRESENT));
                all.push(holds("intel-rdt.task-in-own-directory"));
                all.extend(match there {
                    Some(_) => self.left("intel-rdt.foreign-directory-kept", name, "", Matcher::PRESENT),
                    None => self.left("intel-rdt.own-directory-removed", name, "", Matcher::ABSENT),
                });
            }
        }
        all
    }

    /// Of several values for one domain the last decides, in the order in which the properties are written.
    fn schemas(&self, view: &View, name: &str) -> Vec<Expectation> {
        let law = |requirement: &str, share: &Share| {
            let part = format!("/schemata/{}/{}", token(&share.resource), token(&share.domain));
            self.shows(requirement, name, &part, Matcher::Equals(json!(share.value)))
        };
        let bandwidth: Vec<&Share> = view.bandwidth.iter().collect();
        let schemata: Vec<&Share> = view.schemata.iter().filter(|_| self.knows_schemata()).collect();
        let of_cache = |share: &&Share| self.knows_schemata() || share.resource != "MB";
        let cache: Vec<&Share> = view.cache.iter().filter(of_cache).collect();
        let mut all = Vec::new();
        for share in cache.iter().filter(|share| !is_in(share, &bandwidth) && !is_in(share, &schemata)) {
            all.push(law("intel-rdt.cache-schema-written", share));
            if !bandwidth.is_empty() {
                all.push(law("intel-rdt.both-schemas-written", share));
            }
        }
        for share in bandwidth.iter().filter(|share| !is_in(share, &schemata)) {
            all.push(law("intel-rdt.bandwidth-schema-written", share));
            if !cache.is_empty() {
                all.push(law("intel-rdt.both-schemas-written", share));
            }
            if is_in(share, &cache) {
                all.push(law("intel-rdt.bandwidth-schema-last", share));
            }
        }
        for (index, share) in schemata.iter().enumerate() {
            if is_in(share, &schemata[index + 1..]) {
                continue;
            }
            all.push(law("intel-rdt.schemata-written", share));
            if is_in(share, &cache) || is_in(share, &bandwidth) {
                all.push(law("intel-rdt.schemata-last", share));
            }
        }
        all.extend(self.dropped(view, name));
        all
    }

    /// Before 1.3.0, what stands in `l3CacheSchema` about bandwidth is passed over: the kernel's own value stays.
    fn dropped(&self, view: &View, name: &str) -> Vec<Expectation> {
        let lines = view.cache.iter().filter(|share| share.resource == "MB");
        let unset = lines.filter(|share| !view.bandwidth.iter().any(|other| is_same(share, other)));
        let law = |share: &Share| {
            let part = format!("/schemata/MB/{}", token(&share.domain));
            let default = Matcher::SameAs(format!("/before/resctrl/~1{part}"));
            self.shows("intel-rdt.bandwidth-line-dropped", name, &part, default)
        };
        unset.map(law).collect()
    }

    fn schemata_untouched(&self) -> Expectation {
        let fact = format!("/host/{}/resctrl/~1/schemata", token(&self.created));
        let same = Matcher::SameAs("/before/resctrl/~1/schemata".to_owned());
        expected("intel-rdt.schemata-untouched", &self.started, fact, same)
    }

    fn monitoring(&self, view: &View, name: &str, own: &str) -> Vec<Expectation> {
        let group = format!("/monitors/{}", token(own));
        let mut all = Vec::new();
        if view.monitored_before {
            for requirement in ["intel-rdt.cache-monitoring", "intel-rdt.bandwidth-monitoring"] {
                all.push(self.shows(requirement, name, &group, Matcher::PRESENT));
            }
        }
        if view.monitored {
            let holds = Matcher::Equals(json!(true));
            all.push(self.shows("intel-rdt.monitoring-group", name, &group, Matcher::PRESENT));
            all.push(self.shows("intel-rdt.monitoring-group-holds-task", name, &format!("{group}/holds"), holds));
            // With the directory of the container's own it goes anyway.
            if view.class.is_some() {
                all.extend(self.left("intel-rdt.monitoring-group-removed", name, &group, Matcher::ABSENT));
            }
        }
        all
    }
}

fn is_same(one: &Share, other: &Share) -> bool {
    one.resource == other.resource && one.domain == other.domain
}

/// Whether one of the others is about the same domain.
fn is_in(share: &Share, others: &[&Share]) -> bool {
    others.iter().any(|other| is_same(share, other))
}

/// Whether a group gives the domain another value.
fn differs(group: &Value, share: &Share) -> bool {
    let value = group["schemata"].get(&share.resource).and_then(|domains| domains.get(&share.domain));
    value.and_then(Value::as_str).is_some_and(|value| value != share.value)
}
