//! Scheduling that no kernel of today has, or that doesn't go with its policy.

use serde_json::Value;

use super::{Offence, Rule, at};

pub(super) const RULES: &[Rule] = &[
    Rule { requirement: Some("process.scheduler-policy-known"), offences: unknown_policy },
    Rule { requirement: Some("process.scheduler-nice-in-kernel-range"), offences: nice_out_of_range },
    Rule { requirement: Some("process.scheduler-priority-of-policy"), offences: priority_of_other_policy },
    Rule { requirement: Some("process.scheduler-times-of-deadline"), offences: times_in_disorder },
];

const SCHEDULER: &str = "/process/scheduler";

/// The policies for which a priority says nothing. Of one that is none, the schema has told already.
const WITHOUT_PRIORITY: [&str; 5] = ["SCHED_OTHER", "SCHED_BATCH", "SCHED_ISO", "SCHED_IDLE", "SCHED_DEADLINE"];

/// The kernel counts in units of 1024 nanoseconds, and one is the least that may be asked for.
const LEAST_RUNTIME: u64 = 1024;

fn unknown_policy(config: &Value) -> Vec<Offence> {
    let policy = policy(config).filter(|policy| *policy == "SCHED_ISO");
    found("/policy", policy.map(|_| "no kernel of today has this policy".to_owned()))
}

fn nice_out_of_range(config: &Value) -> Vec<Offence> {
    let nice = number(config, "nice").filter(|nice| !(-20..=19).contains(nice));
    found("/nice", nice.map(|nice| format!("{nice} is not from -20 to 19, as kernels take it")))
}

fn priority_of_other_policy(config: &Value) -> Vec<Offence> {
    let pair = policy(config).zip(number(config, "priority"));
    let is_set = at(config, SCHEDULER).is_some_and(|it| it.get("priority").is_some());
    found(if is_set { "/priority" } else { "" }, pair.and_then(|(policy, priority)| discord(policy, priority)))
}

/// What is wrong with a policy's priority.
fn discord(policy: &str, priority: i32) -> Option<String> {
    let has_priority = ["SCHED_FIFO", "SCHED_RR"].contains(&policy);
    let message = if has_priority && !(1..=99).contains(&priority) {
        format!("{policy} wants a priority from 1 to 99, not {priority}")
    } else if WITHOUT_PRIORITY.contains(&policy) && priority != 0 {
        format!("{policy} takes no priority but 0, not {priority}")
    } else {
        return None;
    };
    Some(message)
}

fn times_in_disorder(config: &Value) -> Vec<Offence> {
    let times = ["runtime", "deadline", "period"].map(|name| time(config, name));
    let message = match times {
        [Some(runtime), Some(deadline), Some(period)] if policy(config) == Some("SCHED_DEADLINE") => {
            disorder(runtime, deadline, period)
        }
        _ => None,
    };
    found("", message)
}

/// What is wrong with times in nanoseconds. A period of 0 stands for the deadline.
fn disorder(runtime: u64, deadline: u64, period: u64) -> Option<String> {
    let message = if runtime < LEAST_RUNTIME {
        format!("a runtime of {runtime} is less than {LEAST_RUNTIME} nanoseconds, the least that kernels take")
    } else if deadline < runtime {
        format!("a deadline of {deadline} is less than the runtime, {runtime}")
    } else if period != 0 && period < deadline {
        format!("a period of {period} is less than the deadline, {deadline}")
    } else {
        return None;
    };
    Some(message)
}

fn policy(config: &Value) -> Option<&str> {
    at(config, SCHEDULER)?.get("policy")?.as_str()
}

/// A number of 32 bits, 0 if it is left out; `None` if it is something else.
fn number(config: &Value, name: &str) -> Option<i32> {
    let number = at(config, SCHEDULER)?.get(name);
    number.map_or(Some(0), |it| i32::try_from(it.as_i64()?).ok())
}

/// Nanoseconds, 0 if they are left out; `None` if they are no such number.
fn time(config: &Value, name: &str) -> Option<u64> {
    let time = at(config, SCHEDULER)?.get(name);
    time.map_or(Some(0), Value::as_u64)
}

fn found(place: &str, message: Option<String>) -> Vec<Offence> {
    let offence = message.map(|message| Offence { pointer: format!("{SCHEDULER}{place}"), message });
    Vec::from_iter(offence)
}
