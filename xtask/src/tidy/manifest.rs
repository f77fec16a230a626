//! The dependencies that a `Cargo.toml` names.

/// The kind of table that a dependency stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    /// `[dependencies]`, also for one target.
    Normal,
    /// `[dev-dependencies]`.
    Dev,
    /// `[build-dependencies]`.
    Build,
    /// `[workspace.dependencies]`: the versions that the members choose from.
    Workspace,
}

/// One dependency of a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dependency {
    /// The package's name; that of `package = "..."` where it is renamed.
    pub name: String,
    /// The table it stands in.
    pub section: Section,
    /// Its line in the file, counted from 1.
    pub line: usize,
}

/// What the rules read of a `Cargo.toml`.
#[derive(Clone, Debug)]
pub struct Manifest {
    /// Path relative to the root of the workspace.
    pub path: String,
    /// The package's name; empty where the file is a workspace alone.
    pub package: String,
    /// The line of that name, or 1.
    pub line: usize,
    /// The dependencies of all tables.
    pub dependencies: Vec<Dependency>,
}

impl Manifest {
    /// Reads a manifest whose tables and keys stand one to a line, as `cargo add` writes them.
    #[must_use]
    pub fn parse(path: &str, text: &str) -> Self {
        let mut manifest = Self {
            path: path.to_owned(),
            package: String::new(),
            line: 1,
            dependencies: Vec::new(),
        };
        let mut table = Table::Other;
        for (index, raw) in text.lines().enumerate() {
            let (line, content) = (index + 1, raw.split('#').next().unwrap_or_default().trim());
            if let Some(name) = content.strip_prefix('[') {
                table = Table::named(name.trim_end_matches(']'));
                if let Table::OneDependency(section, name) = &table {
                    manifest.add(name, *section, line);
                }
                continue;
            }
            let Some((key, value)) = content.split_once('=') else { continue };
            manifest.read_key(&table, key.trim(), value, line);
        }
        manifest
    }

    fn read_key(&mut self, table: &Table, key: &str, value: &str, line: usize) {
        match table {
            Table::Package if key == "name" => {
                self.package = unquoted(value).to_owned();
                self.line = line;
            }
            Table::Dependencies(section) => {
                let written = key.split('.').next().unwrap_or(key);
                self.add(renamed(value).unwrap_or(unquoted(written)), *section, line);
            }
            Table::OneDependency(section, _) if key == "package" => {
                self.add(unquoted(value), *section, line);
            }
            _ => {}
        }
    }

    fn add(&mut self, name: &str, section: Section, line: usize) {
        self.dependencies.push(Dependency { name: name.to_owned(), section, line });
    }
}

enum Table {
    Package,
    Dependencies(Section),
    OneDependency(Section, String),
    Other,
}

impl Table {
    fn named(name: &str) -> Self {
        if name == "package" {
            return Self::Package;
        }
        let parts: Vec<&str> = name.split('.').collect();
        let Some(at) = parts.iter().position(|part| part.ends_with("dependencies")) else {
            return Self::Other;
        };
        let section = match (parts[0], parts[at]) {
            ("workspace", _) => Section::Workspace,
            (_, "dev-dependencies") => Section::Dev,
            (_, "build-dependencies") => Section::Build,
            _ => Section::Normal,
        };
        match parts.get(at + 1) {
            Some(name) => Self::OneDependency(section, unquoted(name).to_owned()),
            None => Self::Dependencies(section),
        }
    }
}

/// The name behind `package = "..."` in an inline table.
fn renamed(value: &str) -> Option<&str> {
    let (_, after) = value.split_once("package")?;
    let quoted = after.trim_start().strip_prefix('=')?;
    quoted.split('"').nth(1)
}

fn unquoted(value: &str) -> &str {
    value.trim().trim_matches(['"', '\''])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_name_a_dependency_is_read() {
        let text = "[package]\nname = \"a\"\n\n[dependencies]\nb.workspace = true\n\
            c = { version = \"1\", package = \"real\" }\n[dependencies.d]\nversion = \"1\"\n\
            [target.'cfg(unix)'.dev-dependencies]\ne = \"1\" # why\n[workspace.dependencies]\nf = \"1\"\n";
        let manifest = Manifest::parse("a/Cargo.toml", text);
        assert_eq!((manifest.package.as_str(), manifest.line), ("a", 2));
        let read: Vec<(&str, Section, usize)> = manifest
            .dependencies
            .iter()
            .map(|found| (found.name.as_str(), found.section, found.line))
            .collect();
        let expected = [
            ("b", Section::Normal, 5),
            ("real", Section::Normal, 6),
            ("d", Section::Normal, 7),
            ("e", Section::Dev, 10),
            ("f", Section::Workspace, 12),
        ];
        assert_eq!(read, expected);
    }
}
