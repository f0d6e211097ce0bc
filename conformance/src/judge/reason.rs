//! Why something was neither passed nor failed.

use std::fmt;

use ocf_spec::Party;

use super::visible::{shorten, visible};
use crate::expectation::Vantage;

/// Characters that are kept of what a stranger said.
const WORDS: usize = 240;

/// Why something was neither passed nor failed.
///
/// Written as its kind, and after a colon the particulars if there are any: so reports can group by kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// No case raised it.
    NoCase,
    /// What the pass rests on took no second value in the run.
    NotDiscriminating,
    /// The error has no control beside it.
    NoControl,
    /// The control was refused, too, or its program never ran.
    ControlRefused,
    /// The control is the base bundle, which a runtime may accept alone.
    ControlIsBase,
    /// The fact was not asked for; its pointer.
    NotAsked(String),
    /// The fact could not be had; the witness's or the host's words.
    Unreadable(String),
    /// What the fact is compared with isn't known; its pointer, and why.
    NoComparison(String, String),
    /// The fact is of a kind of which the matcher can't be asked; what it is.
    Shapeless(String),
    /// A step was not reached; which, and what happened before it.
    NotReached(String, String),
    /// The witness inside never reported at a moment; what happened before it.
    Silent(String, String),
    /// The later of two events never came; its pointer.
    NeverCame(String),
    /// The runtime refused what its features do not claim; which claim is missing.
    Unclaimed(String),
    /// The host lacks facts that the requirement needs, parted by commas.
    HostLacks(String),
    /// The adapter says that nothing can be seen from there.
    Vantage(Vantage),
    /// The harness's own trouble, in its words.
    Trouble(String),
    /// It binds somebody else.
    OtherParty(Party),
    /// It is a draft.
    Draft,
    /// The specification says that nothing can decide it; and why.
    NotChecked(String),
}

impl Reason {
    /// The kind, which reports group by.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::NoCase => "no case raised it",
            Self::NotDiscriminating => "not discriminating",
            Self::NoControl => "no control",
            Self::ControlRefused => "control was refused",
            Self::ControlIsBase => "control is the base",
            Self::NotAsked(_) => "not asked",
            Self::Unreadable(_) => "unreadable",
            Self::NoComparison(..) => "nothing to compare with",
            Self::Shapeless(_) => "not a fact of this kind",
            Self::NotReached(..) => "not reached",
            Self::Silent(..) => "the witness inside never reported",
            Self::NeverCame(_) => "the later event never came",
            Self::Unclaimed(_) => "not claimed",
            Self::HostLacks(_) => "the host lacks",
            Self::Vantage(_) => "not visible from",
            Self::Trouble(_) => "harness trouble",
            Self::OtherParty(_) => "owed by another party",
            Self::Draft => "draft",
            Self::NotChecked(_) => "not checked",
        }
    }

    /// The particulars; free of control characters and cut.
    pub fn particulars(&self) -> Option<String> {
        let words = |text: &str| shorten(&visible(text.trim()), WORDS);
        match self {
            Self::NoCase
            | Self::NotDiscriminating
            | Self::NoControl
            | Self::ControlRefused
            | Self::ControlIsBase
            | Self::Draft => None,
            Self::NotAsked(text)
            | Self::Unreadable(text)
            | Self::Shapeless(text)
            | Self::NeverCame(text)
            | Self::Unclaimed(text)
            | Self::HostLacks(text)
            | Self::Trouble(text) => Some(words(text)),
            // The specification's own sentence, whole.
            Self::NotChecked(why) => Some(visible(why)),
            Self::NoComparison(pointer, why) => Some(format!("{}, {}", words(pointer), words(why))),
            Self::NotReached(step, cause) => Some(format!("{}: {cause}", words(step))),
            Self::Silent(moment, cause) => Some(format!("at {}: {cause}", words(moment))),
            Self::Vantage(vantage) => Some(vantage.to_string()),
            Self::OtherParty(party) => Some(party.to_string()),
        }
    }

    /// What a stranger said, made fit for a reason: one line, cut.
    pub(super) fn words(text: &str) -> String {
        shorten(&visible(text.trim()), WORDS)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.particulars() {
            Some(particulars) => write!(f, "{}: {particulars}", self.kind()),
            None => f.write_str(self.kind()),
        }
    }
}
