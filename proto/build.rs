//! Compiles the contract with protox, so that no `protoc` is needed.

use std::{env, error::Error, fs, path::PathBuf};

use prost::Message as _;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=countersign");
    let files = proto_files(&PathBuf::from("countersign"))?;
    let descriptors = protox::compile(&files, ["."])?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("countersign.binpb"), descriptors.encode_to_vec())?;
    // The largest messages of the streams lie on the heap: each layer moves whatever passes it, the short ones too.
    tonic_prost_build::configure()
        .btree_map(".")
        .boxed(".countersign.execution.v1.ExecuteActionResponse.event.finished")
        .boxed(".countersign.governance.v1.StreamRunResponse.update.run")
        .boxed(".countersign.governance.v1.WatchRunResponse.update.run")
        .compile_fds(descriptors)?;
    Ok(())
}

fn proto_files(folder: &PathBuf) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(proto_files(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "proto") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
