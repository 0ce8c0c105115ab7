//! What a scan for vulnerabilities found: the results of trivy and grype, as JSON, which is what they attest
//! (`scanner.result` of cosign's vulnerability attestation).

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How bad a vulnerability is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Not worth the trouble.
    Negligible,
    /// Low.
    Low,
    /// Medium.
    Medium,
    /// High.
    High,
    /// Critical.
    Critical,
}

impl Severity {
    /// What a scanner calls it. What nobody has rated may be anything, so it counts as the worst.
    fn of(text: &str) -> Self {
        match text.to_ascii_lowercase().as_str() {
            "negligible" => Self::Negligible,
            "low" => Self::Low,
            "medium" | "moderate" => Self::Medium,
            "high" => Self::High,
            _ => Self::Critical,
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Negligible => "negligible",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        })
    }
}

/// A vulnerability for which there is a newer package without it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fixable {
    /// Its name: `CVE-2026-1234`.
    pub id: String,
    /// In which package.
    pub package: String,
    /// How bad it is.
    pub severity: Severity,
    /// In which version it is not any more.
    pub fixed: String,
}

impl fmt::Display for Fixable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            id,
            package,
            severity,
            fixed,
        } = self;
        write!(f, "{id} ({severity}) in {package}, fixed in {fixed}")
    }
}

/// The vulnerabilities of a scan's result that can be mended, the worst first; nothing when it is of a form that is not
/// known.
pub fn fixable(result: &Value) -> Option<Vec<Fixable>> {
    let mut found = trivy(result).or_else(|| grype(result))?;
    found.sort_by(|one, other| {
        let worse = other.severity.cmp(&one.severity);
        worse.then_with(|| one.id.cmp(&other.id))
    });
    Some(found)
}

fn text(value: &Value, place: &str) -> String {
    let text = value.pointer(place).and_then(Value::as_str).unwrap_or("");
    text.chars().take(100).collect()
}

fn trivy(result: &Value) -> Option<Vec<Fixable>> {
    result.get("SchemaVersion")?.as_u64()?;
    // Where there is nothing to tell, there is no list.
    let targets = match result.get("Results") {
        None | Some(Value::Null) => &[],
        Some(list) => list.as_array()?.as_slice(),
    };
    let mut found = Vec::new();
    for target in targets {
        let list = match target.get("Vulnerabilities") {
            None | Some(Value::Null) => continue,
            Some(list) => list.as_array()?,
        };
        found.extend(list.iter().filter_map(|one| {
            let fixed = text(one, "/FixedVersion");
            (!fixed.is_empty()).then(|| Fixable {
                id: text(one, "/VulnerabilityID"),
                package: text(one, "/PkgName"),
                severity: Severity::of(&text(one, "/Severity")),
                fixed,
            })
        }));
    }
    Some(found)
}

fn grype(result: &Value) -> Option<Vec<Fixable>> {
    let matches = result.get("matches")?.as_array()?;
    let found = matches.iter().filter_map(|one| {
        let versions = one.pointer("/vulnerability/fix/versions");
        let is_fixed = text(one, "/vulnerability/fix/state") == "fixed"
            || versions
                .and_then(Value::as_array)
                .is_some_and(|versions| !versions.is_empty());
        is_fixed.then(|| Fixable {
            id: text(one, "/vulnerability/id"),
            package: text(one, "/artifact/name"),
            severity: Severity::of(&text(one, "/vulnerability/severity")),
            fixed: text(one, "/vulnerability/fix/versions/0"),
        })
    });
    Some(found.collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_can_be_mended_is_found_in_either_form_the_worst_first() {
        let trivy = json!({"SchemaVersion": 2, "Results": [{"Target": "x"}, {"Vulnerabilities": [
            {"VulnerabilityID": "CVE-1", "PkgName": "a", "FixedVersion": "2", "Severity": "LOW"},
            {"VulnerabilityID": "CVE-2", "PkgName": "b", "Severity": "CRITICAL"},
            {"VulnerabilityID": "CVE-3", "PkgName": "c", "FixedVersion": "3", "Severity": "HIGH"},
        ]}]});
        let grype = json!({"matches": [
            {"vulnerability": {"id": "CVE-1", "severity": "Low", "fix": {"state": "fixed", "versions": ["2"]}},
             "artifact": {"name": "a"}},
            {"vulnerability": {"id": "CVE-2", "severity": "Critical", "fix": {"state": "wont-fix", "versions": []}},
             "artifact": {"name": "b"}},
            {"vulnerability": {"id": "CVE-3", "severity": "High", "fix": {"state": "fixed", "versions": ["3"]}},
             "artifact": {"name": "c"}},
        ]});
        let found = fixable(&trivy).expect("a form that is known");
        assert_eq!(fixable(&grype).as_ref(), Some(&found));
        assert_eq!(found[0].to_string(), "CVE-3 (high) in c, fixed in 3");
        assert_eq!(found.len(), 2);
    }

    #[test]
    fn a_form_that_is_not_known_is_not_taken_for_one_without_findings() {
        for result in [
            json!({}),
            json!(null),
            json!({"runs": []}),
            json!({"matches": "none"}),
            json!({"SchemaVersion": 2, "Results": "none"}),
        ] {
            assert_eq!(fixable(&result), None, "{result}");
        }
        assert_eq!(fixable(&json!({"SchemaVersion": 2})), Some(Vec::new()));
    }

    #[test]
    fn what_nobody_has_rated_counts_as_the_worst() {
        assert_eq!(Severity::of("UNKNOWN"), Severity::Critical);
        assert!(Severity::Low < Severity::of("High"));
    }
}
