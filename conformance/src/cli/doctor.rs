//! `ocf doctor`: what this host can decide, and why not the rest.

use std::collections::BTreeMap;

use clap::Args;
use ocf_spec::{Party, Specification, VERSIONS};

use crate::host::{HostFacts, Need, View};
use crate::profile::{self, Profile};

#[derive(Args)]
pub struct Arguments {
    /// What the cases would see of the cgroups: v1, v2 or host
    #[arg(long, default_value = "host", value_name = "VIEW")]
    cgroups: View,
}

/// Prints the host facts, the profiles, and what is missing for which requirements.
pub fn run(arguments: &Arguments) -> Result<u8, String> {
    let host = HostFacts::gather(arguments.cgroups);
    facts(&host);
    profiles(&host)?;
    missing(&host);
    Ok(0)
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
    println!("  memory nodes   {}", host.memory_nodes);
    println!("  huge pages     {}", if host.huge_pages { "some are free" } else { "none is free" });
    println!("  capabilities   {} of {}", host.capabilities.len(), crate::host::CAPABILITIES.len());
    for lacking in crate::host::CAPABILITIES.iter().filter(|name| !host.capabilities.contains(**name)) {
        println!("                 lacks {lacking}");
    }
    println!("  what a case can need: {}", Need::FORMS.join(", "));
}

fn profiles(host: &HostFacts) -> Result<(), String> {
    let newest = VERSIONS[VERSIONS.len() - 1];
    println!(
        "\nprofiles (default here: {}), and how many requirements of {newest} they have",
        Profile::default_name(host)
    );
    for (name, _) in profile::EMBEDDED {
        let profile = Profile::named(name)?;
        let count = Specification::embedded().requirements().filter(|it| profile.includes(it, newest)).count();
        println!("  {name:<11} {count:>4}  {}: {}", profile.about, fitness(&profile, host));
    }
    Ok(())
}

/// Whether a profile can be decided here.
fn fitness(profile: &Profile, host: &HostFacts) -> String {
    if profile.party != Party::Runtime {
        return profile::WITHOUT_RUNTIME.to_owned();
    }
    let missing: Vec<_> = profile.needs.iter().filter(|need| !need.met(host)).map(ToString::to_string).collect();
    if missing.is_empty() { "can be decided".to_owned() } else { format!("lacks {}", missing.join(", ")) }
}

fn missing(host: &HostFacts) {
    let newest = VERSIONS[VERSIONS.len() - 1];
    let mut by_need: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for requirement in
        Specification::embedded().requirements().filter(|r| r.party == Party::Runtime && r.applies(newest))
    {
        for need in &requirement.needs {
            if need.parse::<Need>().is_ok_and(|need| !need.met(host)) {
                by_need.entry(need.clone()).or_default().push(requirement.id.as_str());
            }
        }
    }
    println!("\nnot decidable here, of the requirements of {newest}");
    if by_need.is_empty() {
        println!("  nothing");
    }
    for (need, ids) in by_need {
        println!("  without {need}: {}", ids.join(", "));
    }
}
