//! Says what the program embeds beside its own source.

fn main() {
    // New files, too: the macros that embed these folders see only those that were there.
    println!("cargo:rerun-if-changed=fixtures");
    println!("cargo:rerun-if-changed=migrations");
    println!("cargo:rerun-if-changed=src/providers/catalogue");
}
