//! Has cargo compile the crate again when a migration comes, which is embedded by a macro that cargo does not see into.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
    println!("cargo:rerun-if-changed=build.rs");
}
