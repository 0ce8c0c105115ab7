//! Tables that libraries read by names of their own: NSS, locales, OpenSSL, certificates.

use basalt_elf::{ElfFacts, ElfLinks};
use basalt_tree::{TreePath, glob};

use crate::charsets;
use crate::error::ReachError;
use crate::reason::Reason;
use crate::walk::{Step, Walk};

/// Functions of libc that ask `nsswitch.conf`.
const NAME_SERVICES: [&str; 22] = [
    "getaddrinfo",
    "gethostbyaddr",
    "gethostbyaddr_r",
    "gethostbyname",
    "gethostbyname2",
    "gethostbyname2_r",
    "gethostbyname_r",
    "getgrent",
    "getgrgid",
    "getgrgid_r",
    "getgrnam",
    "getgrnam_r",
    "getgrouplist",
    "getnameinfo",
    "getprotobyname",
    "getpwent",
    "getpwnam",
    "getpwnam_r",
    "getpwuid",
    "getpwuid_r",
    "getservbyname",
    "initgroups",
];
/// What those read besides.
const NAME_TABLES: [&str; 9] = [
    "/etc/nsswitch.conf",
    "/etc/gai.conf",
    "/etc/host.conf",
    "/etc/hosts",
    "/etc/protocols",
    "/etc/services",
    "/etc/networks",
    "/etc/group",
    "/etc/passwd",
];
const LOCALES: [&str; 3] = ["newlocale", "setlocale", "uselocale"];

/// Adds the tables that an object's functions or name ask for.
pub(crate) fn of_object(
    walk: &mut Walk<'_>,
    path: &TreePath,
    content: &[u8],
    facts: &ElfFacts,
    links: &ElfLinks,
) -> Result<(), ReachError> {
    let takes = |functions: &[&str]| functions.iter().any(|one| links.imports.contains(*one));
    if takes(&NAME_SERVICES) && walk.services.insert("names") {
        name_services(walk, path, facts, links)?;
    }
    if takes(&["iconv_open"]) {
        charsets::of_object(walk, path, content, facts)?;
    }
    if takes(&LOCALES) && walk.services.insert("locale") {
        for pattern in [
            "/usr/lib/locale/C.utf8/**",
            "/usr/lib/locale/locale-archive",
        ] {
            all(walk, path, pattern, &Reason::Locale)?;
        }
    }
    let soname = facts.soname.as_deref().unwrap_or("");
    let is = |name: &str| soname.starts_with(name);
    if is("libcrypto.so.") && walk.services.insert("openssl") {
        openssl(walk, path, facts)?;
    }
    if (is("libssl.so.") || is("libgnutls.so.")) && walk.services.insert("certificates") {
        all(walk, path, "/etc/ssl/certs/**", &Reason::Certificates)?;
        for link in ["/usr/lib/ssl/certs", "/usr/lib/ssl/cert.pem"] {
            link_to(walk, path, link, &Reason::Certificates)?;
        }
    }
    Ok(())
}

/// `nsswitch.conf`, the modules that it names, the tables.
fn name_services(
    walk: &mut Walk<'_>,
    path: &TreePath,
    facts: &ElfFacts,
    links: &ElfLinks,
) -> Result<(), ReachError> {
    for table in NAME_TABLES {
        all(walk, path, table, &Reason::NameService(table.to_owned()))?;
    }
    let switch = TreePath::new(NAME_TABLES[0]).map_err(basalt_tree::TreeError::from)?;
    let Some(text) = walk.read_text(&switch)? else {
        return Ok(());
    };
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or_default();
        let Some((_, services)) = line.split_once(':') else {
            continue;
        };
        let plain = services.split(['[', ']']).step_by(2);
        for service in plain.flat_map(str::split_whitespace) {
            // `files` and `dns` are in libc itself.
            let name = format!("libnss_{service}.so.2");
            for library in walk.linker.find(walk.tree, &name, path, facts, links) {
                let step = Step {
                    reason: Reason::NameService(service.to_owned()),
                    from: Some(path),
                    certain: false,
                };
                walk.mark(&library, step)?;
            }
        }
    }
    Ok(())
}

/// OpenSSL's configuration, and the modules that it names; the others are asked about.
fn openssl(walk: &mut Walk<'_>, path: &TreePath, facts: &ElfFacts) -> Result<(), ReachError> {
    let mut configured = String::new();
    for file in ["/etc/ssl/openssl.cnf", "/usr/lib/ssl/openssl.cnf"] {
        all(walk, path, file, &Reason::OpenSsl)?;
        let file = TreePath::new(file).map_err(basalt_tree::TreeError::from)?;
        if let Some(text) = walk.read_text(&file)? {
            configured.push_str(&text);
        }
    }
    let mut modules = Vec::new();
    for directory in walk.linker.directories(facts.machine) {
        for folder in ["ossl-modules", "engines-3", "engines-1.1"] {
            let Ok(folder) = directory.join(folder) else {
                continue;
            };
            modules.extend(walk.tree.children(&folder).map(|(path, _)| path.clone()));
        }
    }
    for module in modules {
        let stem = module.name().trim_end_matches(".so").to_owned();
        let named = configured.lines().any(|line| {
            let line = line.split('#').next().unwrap_or_default();
            let apart = |letter: char| letter.is_whitespace() || "=,/".contains(letter);
            line.split(apart)
                .any(|word| word.trim_end_matches(".so") == stem)
        });
        if named {
            let step = Step {
                reason: Reason::OpenSsl,
                from: Some(path),
                certain: false,
            };
            walk.mark(&module, step)?;
        } else {
            let text = format!(
                "is OpenSSL's module {module} loaded by a program? its configuration does not name it"
            );
            walk.ask(text, Some(module), path)?;
        }
    }
    Ok(())
}

/// Marks everything that a pattern matches.
pub(crate) fn all(
    walk: &mut Walk<'_>,
    from: &TreePath,
    pattern: &str,
    reason: &Reason,
) -> Result<(), ReachError> {
    let found: Vec<TreePath> = walk
        .tree
        .iter()
        .filter(|(path, placed)| !placed.entry.is_directory() && glob::matches(pattern, path))
        .map(|(path, _)| path.clone())
        .collect();
    for path in found {
        link_to(walk, from, &path.absolute(), reason)?;
    }
    Ok(())
}

pub(crate) fn link_to(
    walk: &mut Walk<'_>,
    from: &TreePath,
    path: &str,
    reason: &Reason,
) -> Result<(), ReachError> {
    let path = TreePath::new(path).map_err(basalt_tree::TreeError::from)?;
    let step = Step {
        reason: reason.clone(),
        from: Some(from),
        certain: false,
    };
    walk.mark(&path, step)?;
    Ok(())
}
