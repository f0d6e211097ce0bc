//! The execution domain of the container process.

use serde_json::json;

use super::{Subject, expect as expected, inside};
use crate::expectation::{Expectation, Matcher};
use crate::view::personality::{self, Domain};

/// PER_LINUX32 (personality(2)).
const PER_LINUX32: u8 = 8;
/// What uname(2) calls machines of 32 bits, as far as a kernel of 64 bits names them to such programs.
const MACHINES: [&str; 9] = ["i686", "i586", "armv8l", "armv7l", "armv8b", "ppc", "s390", "mips", "parisc"];

/// The laws.
pub fn expect(subject: &Subject<'_>) -> Vec<Expectation> {
    let Some(start) = subject.started() else { return Vec::new() };
    let here = |id, fact: &str, matcher| expected(id, &start, inside(&start, fact), matcher);
    match personality::view(subject.config) {
        Ok(Some(Domain::Linux)) => {
            vec![here("personality.linux", "execution-domain", Matcher::Equals(json!(0)))]
        }
        Ok(Some(Domain::Linux32)) => vec![
            here("personality.linux32", "execution-domain", Matcher::Equals(json!(PER_LINUX32))),
            here("personality.linux32-machine", "machine", Matcher::OneOf(MACHINES.map(|it| json!(it)).into())),
        ],
        Ok(None) => vec![here("personality.unset", "execution-domain", Matcher::PRESENT)],
        Err(offence) => subject.refusal(&offence),
    }
}
