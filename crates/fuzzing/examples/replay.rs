//! One input once more: `cargo run -p fuzzing --example replay -- TARGET FILE ...`

fn main() {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().unwrap_or_default();
    let Some(target) = fuzzing::TARGETS.iter().find(|target| target.name == name) else {
        let names: Vec<&str> = fuzzing::TARGETS.iter().map(|target| target.name).collect();
        return eprintln!("replay TARGET FILE ...; the targets are: {}", names.join(" "));
    };
    for file in arguments {
        match std::fs::read(&file) {
            Ok(bytes) => {
                println!("{file}: {} bytes", bytes.len());
                (target.run)(&bytes);
            }
            Err(error) => eprintln!("{file}: {error}"),
        }
    }
}
