//! Right documents after a few changes at random places.

use ocf_fixtures::ENGINES;
use ocf_schema::{Kind, embedded};
use ocf_spec::VERSIONS;
use proptest::prelude::*;
use serde_json::Value;

use crate::invariants::{check, found, writings};
use crate::mutation::{Vocabulary, mutate};

const RIGHT: [(Kind, &str); 4] = [
    (Kind::Config, include_str!("../right/config.json")),
    (Kind::State, include_str!("../right/state.json")),
    (Kind::State, include_str!("../right/state-stopped.json")),
    (Kind::Features, include_str!("../right/features.json")),
];

fn all() -> Vec<(Kind, Value)> {
    let engines = ENGINES.iter().map(|(_, text)| (Kind::Config, *text));
    RIGHT.into_iter().chain(engines).map(|(kind, text)| (kind, serde_json::from_str(text).unwrap())).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn findings_are_what_findings_have_to_be(
        document in prop::sample::select(all()),
        version in prop::sample::select(VERSIONS.to_vec()),
        changes in prop::collection::vec(prop::collection::vec(any::<prop::sample::Index>(), 1..12), 1..6),
    ) {
        let (kind, mut value) = document;
        let vocabulary = Vocabulary::of_format();
        for change in changes {
            let mut choices = change.iter().cycle();
            mutate(&mut value, &vocabulary, &mut |below| choices.next().unwrap().index(below));
        }
        let [line, lines, reversed] = writings(&value);
        for text in [&line, &lines, &reversed] {
            check(kind, text, version);
        }
        let [line, lines, reversed] = [line, lines, reversed].map(|it| found(embedded(kind, version), &it));
        prop_assert_eq!(&line, &lines);
        prop_assert_eq!(&line, &reversed);
    }
}
