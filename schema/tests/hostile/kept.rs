//! What the search for bad bytes (`fuzz/`) has kept: the fewest bytes that reach all that it reached.

use std::fs;
use std::path::Path;

use ocf_schema::Kind;
use ocf_spec::VERSIONS;

use crate::invariants::check;

#[test]
fn what_a_search_kept_is_answered_as_it_has_to_be() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hostile/corpus");
    let files = fs::read_dir(&directory).unwrap().map(|it| it.unwrap().path());
    let files: Vec<_> = files.filter(|it| it.file_name().is_some_and(|name| name != ".gitattributes")).collect();
    assert!(files.len() > 100, "{} files in {}", files.len(), directory.display());
    for file in files {
        let bytes = fs::read(&file).unwrap();
        for kind in Kind::FORMAT {
            check(kind, &bytes, VERSIONS[bytes.len() % VERSIONS.len()]);
        }
    }
}
