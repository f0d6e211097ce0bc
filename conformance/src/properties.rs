//! Properties: generators of cases, judged by the same laws as fixtures.
//!
//! A generated case is a [`Case`] like any other: it is asked, run, expected and judged on the same way. Its
//! name holds the seed, so that the same name always means the same case.

mod claims;
mod process;

use proptest::strategy::{BoxedStrategy, Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use serde_json::Value;

use crate::case::Case;

type Generator = fn() -> BoxedStrategy<Case>;

/// The generators, by the chapter whose property they vary.
const GENERATORS: &[(&str, Generator)] = &[("process", process::cases)];

/// So many times a failing case is run again to make it smaller.
pub const SHRINKS: usize = 40;

/// So many generated cases of every property, the same for the same seed.
pub fn generate(seed: u64, count: u32) -> Vec<(String, Case)> {
    let names = GENERATORS.iter().flat_map(|(chapter, _)| (0..count).map(move |n| name(chapter, seed, n)));
    names.filter_map(|name| Tree::grow(&name).map(|tree| (name, tree.case()))).collect()
}

/// The cases that try what a runtime's features document claims.
pub fn of_claims(features: &Value) -> Vec<(String, Case)> {
    claims::cases(features)
}

/// Whether this is the name of a generated case.
pub fn is_case(name: &str) -> bool {
    parse(name).is_some() || claims::is_case(name)
}

fn name(chapter: &str, seed: u64, number: u32) -> String {
    format!("{chapter}/generated-{seed}-{number}")
}

fn parse(name: &str) -> Option<(Generator, u64, u32)> {
    let (chapter, rest) = name.split_once("/generated-")?;
    let (seed, number) = rest.split_once('-')?;
    let (_, generator) = GENERATORS.iter().find(|(known, _)| *known == chapter)?;
    Some((*generator, seed.parse().ok()?, number.parse().ok()?))
}

/// A generated case that can become smaller.
pub struct Tree(Box<dyn ValueTree<Value = Case>>);

impl Tree {
    /// Generates the case of this name once more; none if the name is no generated case's.
    pub fn grow(name: &str) -> Option<Self> {
        let (generator, seed, number) = parse(name)?;
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        bytes[8..12].copy_from_slice(&number.to_le_bytes());
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
        let mut runner = TestRunner::new_with_rng(Config { failure_persistence: None, ..Config::default() }, rng);
        generator().new_tree(&mut runner).ok().map(Self)
    }

    /// The case as it is now.
    pub fn case(&self) -> Case {
        self.0.current()
    }

    /// Makes the case smaller as long as `fails` says of the smaller one that it fails as well, so many times at
    /// most; gives the smallest that failed. The case must fail when this is called.
    pub fn shrink(mut self, mut fails: impl FnMut(&Case) -> bool) -> Case {
        let mut smallest = self.case();
        let mut more = self.0.simplify();
        for _ in 0..SHRINKS {
            if !more {
                break;
            }
            let case = self.case();
            more = if fails(&case) {
                smallest = case;
                self.0.simplify()
            } else {
                self.0.complicate()
            };
        }
        smallest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_name_is_the_same_case() {
        assert_eq!(generate(7, 5), generate(7, 5));
        assert_ne!(generate(7, 5), generate(8, 5));
        assert!(is_case("process/generated-7-3"));
        assert!(!is_case("process/generated-7"));
        assert!(!is_case("mounts/generated-7-3"));
    }

    #[test]
    fn a_failing_case_shrinks_to_what_makes_it_fail() {
        let long = |case: &Case| {
            case.config.as_ref().and_then(|c| c["process"]["args"].as_array()).is_some_and(|a| a.len() > 2)
        };
        let (name, _) = generate(1, 50).into_iter().find(|(_, case)| long(case)).unwrap();
        let smallest = Tree::grow(&name).unwrap().shrink(long);
        let process = &smallest.config.unwrap()["process"];
        assert_eq!(process["args"].as_array().unwrap().len(), 3, "one argument fewer would not fail");
        assert_eq!(process["env"].as_array().unwrap().len(), 0, "the environment has no part in it");
    }
}
