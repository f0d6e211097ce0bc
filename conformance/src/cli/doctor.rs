//! `ocf doctor`: what this host can decide, and why not the rest.

use std::collections::{BTreeMap, BTreeSet};

use clap::Args;
use ocf_spec::{Party, Specification, VERSIONS, Version};

use crate::case::Case;
use crate::checks::Checks;
use crate::host::{HostFacts, Need, View};
use crate::profile::{self, Profile};
use crate::suite;

/// The version of which it is told.
const NEWEST: Version = VERSIONS[VERSIONS.len() - 1];
/// So many ids that a missing fact costs are named.
const SHOWN: usize = 6;

#[derive(Args)]
pub struct Arguments {
    /// What the cases would see of the cgroups: v1, v2 or host
    #[arg(long, default_value = "host", value_name = "VIEW")]
    cgroups: View,
}

/// Prints the host facts, how much of each profile can be decided, and what each missing fact costs.
pub fn run(arguments: &Arguments) -> Result<u8, String> {
    let host = HostFacts::gather(arguments.cgroups);
    let decidable = Decidable::on(&host)?;
    facts(&host);
    profiles(&host, &decidable)?;
    missing(&decidable);
    Ok(0)
}

/// What a run here can come to of each requirement that a runtime owes in the newest version.
struct Decidable {
    /// Those that some case which can run here raises.
    here: BTreeSet<&'static str>,
    /// Those that no case raises anywhere.
    nowhere: BTreeSet<&'static str>,
    /// The others, by the host fact that is missing.
    lacking: BTreeMap<String, BTreeSet<&'static str>>,
}

impl Decidable {
    fn on(host: &HostFacts) -> Result<Self, String> {
        let checks = Checks::shared()?;
        let cases: BTreeMap<String, Case> = suite::cases()?.into_iter().collect();
        let mut found = Self { here: BTreeSet::new(), nowhere: BTreeSet::new(), lacking: BTreeMap::new() };
        let owed = Specification::embedded()
            .requirements()
            .filter(|it| it.party == Party::Runtime && it.applies(NEWEST) && it.not_checked.is_none() && !it.draft);
        for requirement in owed {
            let check = checks.get(&requirement.id);
            let raised = check.cases.iter().filter_map(|name| cases.get(name));
            let raised: Vec<_> = raised.filter(|case| case.other_versions(NEWEST).is_none()).collect();
            let own = unmet(requirement.needs.iter().filter_map(|need| need.parse().ok()), host);
            let fits = |case: &&&Case| unmet(case.needs.iter().cloned(), host).is_empty();
            // Of the cases that can't run here, the one that lacks least would be enough.
            let lacking = match raised.iter().find(fits) {
                Some(_) => own,
                None if !check.generated.is_empty() => own,
                None => {
                    let each = raised.iter().map(|case| unmet(case.needs.iter().cloned(), host));
                    own.into_iter().chain(each.min_by_key(Vec::len).unwrap_or_default()).collect()
                }
            };
            let id = requirement.id.as_str();
            if !check.is_run() || (raised.is_empty() && check.generated.is_empty()) {
                found.nowhere.insert(id);
            } else if lacking.is_empty() {
                found.here.insert(id);
            }
            for need in lacking {
                found.lacking.entry(need.to_string()).or_default().insert(id);
            }
        }
        Ok(found)
    }
}

fn unmet(needs: impl Iterator<Item = Need>, host: &HostFacts) -> Vec<Need> {
    needs.filter(|need| !need.met(host)).collect()
}

fn facts(host: &HostFacts) {
    let list = |set: &std::collections::BTreeSet<String>| {
        if set.is_empty() { "none".to_owned() } else { set.iter().cloned().collect::<Vec<_>>().join(" ") }
    };
    println!("host facts");
    println!("  system         {}", host.system);
    println!("  kernel         {} {}", host.kernel, host.machine);
    println!("  processors     {}", host.processors);
    println!("  root           {}", if nix::unistd::geteuid().is_root() { "yes" } else { "no: `ocf test` takes root" });
    println!("  cgroup v1      {}", list(&host.cgroups.v1));
    println!(
        "  cgroup v2      {}",
        if host.cgroups.unified { list(&host.cgroups.v2) } else { "not mounted".to_owned() }
    );
    println!("  lsm            {}", list(&host.lsms));
    println!("  namespaces     {}", list(&host.namespaces));
    println!("  resctrl        {}", if host.resctrl { "yes" } else { "no" });
    println!("  memory nodes   {}", host.nodes.len().max(1));
    println!("  huge pages     {}", if host.huge_pages { "some are free" } else { "none is free" });
    println!("  capabilities   {} of {}", host.capabilities.len(), crate::host::CAPABILITIES.len());
    for lacking in crate::host::CAPABILITIES.iter().filter(|name| !host.capabilities.contains(**name)) {
        println!("                 lacks {lacking}");
    }
    println!("  what a case can need: {}", Need::FORMS.join(", "));
}

fn profiles(host: &HostFacts, decidable: &Decidable) -> Result<(), String> {
    println!(
        "\nprofiles (default here: {}): of their requirements of {NEWEST}, those that a run here can decide",
        Profile::default_name(host)
    );
    for (name, _) in profile::EMBEDDED {
        let profile = Profile::named(name)?;
        let all: Vec<_> = Specification::embedded().requirements().filter(|it| profile.includes(it, NEWEST)).collect();
        let here = all.iter().filter(|it| decidable.here.contains(it.id.as_str())).count();
        let figure = if profile.party == Party::Runtime {
            format!("{here:>4} of {:>4}", all.len())
        } else {
            format!("        {:>4}", all.len())
        };
        println!("  {name:<11} {figure}  {}: {}", profile.about, fitness(&profile, host));
    }
    Ok(())
}

/// Whether a profile can be decided here.
fn fitness(profile: &Profile, host: &HostFacts) -> String {
    if profile.party != Party::Runtime {
        return profile::WITHOUT_RUNTIME.to_owned();
    }
    let missing: Vec<_> = profile.needs.iter().filter(|need| !need.met(host)).map(ToString::to_string).collect();
    if missing.is_empty() { "the host has what it needs".to_owned() } else { format!("lacks {}", missing.join(", ")) }
}

/// What each missing fact costs.
fn missing(decidable: &Decidable) {
    println!("\nnot decidable here, of the requirements of {NEWEST} that a runtime owes");
    for (need, ids) in &decidable.lacking {
        let shown: Vec<_> = ids.iter().take(SHOWN).copied().collect();
        let more = if ids.len() > SHOWN { format!(" and {} more", ids.len() - SHOWN) } else { String::new() };
        println!("  {:>4}  without {need}: {}{more}", ids.len(), shown.join(", "));
    }
    if !decidable.nowhere.is_empty() {
        println!("  {:>4}  on any host: no case raises them", decidable.nowhere.len());
    }
}
