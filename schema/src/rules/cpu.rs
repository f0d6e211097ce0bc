//! Processor time that doesn't fit into its period or quota, numbers beyond what kernels take, and
//! ranges that run backwards.

use serde_json::Value;

use super::{Offence, Rule, at};

pub(super) const RULES: &[Rule] = &[
    Rule { requirement: Some("cpu.burst-within-quota"), offences: burst_over_quota },
    Rule { requirement: Some("cpu.realtime-runtime-within-period"), offences: realtime_over_period },
    Rule { requirement: Some("cpu.shares-in-kernel-range"), offences: shares },
    Rule { requirement: Some("cpu.quota-in-kernel-range"), offences: quota },
    Rule { requirement: Some("cpu.period-in-kernel-range"), offences: period },
    Rule { requirement: Some("cpu.idle-known"), offences: idle },
    Rule { requirement: Some("cpu.cpus-list"), offences: |config| reversed_ranges(config, "cpus") },
    Rule { requirement: Some("cpu.mems-list"), offences: |config| reversed_ranges(config, "mems") },
];

/// A millisecond in microseconds: the least quota and period.
const LEAST_TIME: i64 = 1_000;
/// A second in microseconds: the greatest period.
const GREATEST_PERIOD: u64 = 1_000_000;

fn burst_over_quota(config: &Value) -> Vec<Offence> {
    let burst = cpu(config, "burst").and_then(Value::as_u64);
    let quota = not_negative(config, "quota").filter(|quota| *quota > 0);
    let offence = burst.zip(quota).filter(|(burst, quota)| burst > quota);
    found("burst", offence.map(|(burst, quota)| format!("{burst} is more than the quota, {quota}")))
}

fn realtime_over_period(config: &Value) -> Vec<Offence> {
    let runtime = not_negative(config, "realtimeRuntime");
    let period = cpu(config, "realtimePeriod").and_then(Value::as_u64);
    let offence = runtime.zip(period).filter(|(runtime, period)| runtime > period);
    found("realtimeRuntime", offence.map(|(runtime, period)| format!("{runtime} is more than its period, {period}")))
}

fn shares(config: &Value) -> Vec<Offence> {
    // Engines write 0 for what nobody set.
    let is_known = |shares: &u64| *shares == 0 || (2..=262_144).contains(shares);
    let shares = cpu(config, "shares").and_then(Value::as_u64).filter(|shares| !is_known(shares));
    found("shares", shares.map(|shares| format!("{shares} is not from 2 to 262144, as kernels take it")))
}

fn quota(config: &Value) -> Vec<Offence> {
    let quota = cpu(config, "quota").and_then(Value::as_i64).filter(|quota| (0..LEAST_TIME).contains(quota));
    found("quota", quota.map(|quota| format!("{quota} is less than {LEAST_TIME}, the least that kernels take")))
}

fn period(config: &Value) -> Vec<Offence> {
    let is_known = |period: &u64| (LEAST_TIME.unsigned_abs()..=GREATEST_PERIOD).contains(period);
    let period = cpu(config, "period").and_then(Value::as_u64).filter(|period| !is_known(period));
    let message = |period| format!("{period} is not from {LEAST_TIME} to {GREATEST_PERIOD}, as kernels take it");
    found("period", period.map(message))
}

fn idle(config: &Value) -> Vec<Offence> {
    let idle = cpu(config, "idle").and_then(Value::as_i64).filter(|idle| !(0..=1).contains(idle));
    found("idle", idle.map(|idle| format!("{idle} is neither 0 nor 1")))
}

fn reversed_ranges(config: &Value, name: &str) -> Vec<Offence> {
    let list = cpu(config, name).and_then(Value::as_str).unwrap_or_default();
    let reversed = list.split(',').find(|part| is_reversed(part).unwrap_or(false));
    found(name, reversed.map(|range| format!("the range {:?} ends before it begins", shortened(range))))
}

/// Whether a range of numbers is; `None` if it is none.
fn is_reversed(range: &str) -> Option<bool> {
    let (first, last) = range.split_once('-')?;
    Some(last.parse::<u64>().ok()? < first.parse::<u64>().ok()?)
}

/// Numbers of 64 bits may stand behind any number of zeros.
fn shortened(range: &str) -> String {
    range.chars().take(60).collect()
}

/// A signed integer of 64 bits that is at least 0.
fn not_negative(config: &Value, name: &str) -> Option<u64> {
    cpu(config, name)?.as_i64()?.try_into().ok()
}

fn cpu<'a>(config: &'a Value, name: &str) -> Option<&'a Value> {
    at(config, "/linux/resources/cpu")?.get(name)
}

fn found(name: &str, message: Option<String>) -> Vec<Offence> {
    let offence = message.map(|message| Offence { pointer: format!("/linux/resources/cpu/{name}"), message });
    Vec::from_iter(offence)
}
