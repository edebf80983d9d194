//! Replays the corpus.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use stocktake_fuzz::TARGETS;

#[test]
fn every_target_holds_for_its_corpus_and_for_each_part_of_it() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let folders =
        fs::read_dir(&corpus).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let names = TARGETS.iter().map(|target| target.name.to_owned());
    assert_eq!(
        folders.collect::<BTreeSet<_>>(),
        names.collect(),
        "each target has a folder, and each folder a target"
    );
    for target in TARGETS {
        let files: Vec<_> =
            fs::read_dir(corpus.join(target.name)).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert!(!files.is_empty(), "{} has no input", target.name);
        for file in files {
            let input = fs::read(&file).unwrap();
            (target.run)(&input);
            // Cut short at up to 64 places, and with a byte changed there.
            for at in (0..input.len()).step_by(input.len() / 64 + 1) {
                (target.run)(&input[..at]);
                let mut changed = input.clone();
                changed[at] ^= 0x81;
                (target.run)(&changed);
            }
        }
    }
}
