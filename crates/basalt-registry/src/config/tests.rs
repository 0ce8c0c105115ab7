use std::path::{Path, PathBuf};

use basalt_spec::SpecError;

use super::{Config, Span, Untagged};
use crate::access::Right;

const WHOLE: &str = r#"
root: data
database: {url: "postgres://basalt@db.example/basalt", password: password, authority: ca.pem}
store: {bucket: images, folder: registry, endpoint: "https://s3.example", region: eu, key: key, secret: secret}
listen: 0.0.0.0:443
url: https://registry.example
service: registry.example
tls: {certificate: /etc/tls/cert.pem, key: key.pem, clients: ca.pem}
users: people
groups: {dev: [ann, bob]}
issuers:
  - name: github
    url: https://token.actions.githubusercontent.com
    audience: registry.example
    user: repository
    rules:
      - {claims: {repository: "basalt-images/*", ref: refs/heads/main}, groups: [ci]}
  - {name: cluster, url: "https://cluster.example", audience: r, keys: keys.json, rules: [{claims: {sub: "system:serviceaccount:build:*"}}]}
  - name: company
    url: https://company.example
    login: {client: registry, secret: login.secret, label: "Our company", scopes: [profile, groups], life: 1 day,
      authorization: "https://login.company.example/authorize", token: "https://login.company.example/token"}
    user: preferred_username
    rules: [{claims: {groups: developers}, groups: [dev]}]
access:
  - {repositories: ["team/*"], groups: [ci], users: ["cluster:system:serviceaccount:build:robot"], rights: [pull]}
  - {repositories: ["public/**"], anonymous: true, rights: [pull]}
  - {repositories: ["team/*"], groups: [dev], rights: [pull, push-new, overwrite, delete]}
  - {repositories: ["**"], users: [root], rights: [admin]}
immutable-tags:
  - {repositories: ["**"], tags: ["v*"]}
quotas:
  - {repositories: ["team/*"], size: 100 GB}
limits: {blob: 10 GB, connections: 1000, requests: 100 per second, burst: 200, failed-sign-ins: 10 per minute}
collect: {grace: 1 day, untagged: never, every: 1 minute}
retention:
  - {repositories: ["team/*"], keep: {newest: 10, younger-than: 90 days, tags: ["v*"]}}
policies:
  - {name: signed, repositories: ["prod/**"], on: [pull], require: {signature: {keys: [cosign.pub]}}, else: deny, except: {groups: [ci]}}
traces: {url: "http://collector.example:4318", percent: 10}
hooks:
  - {name: ci, url: "https://ci.example/hook", secret: ci.secret, repositories: ["team/*"], events: [push-tag, move-tag],
     attempts: 5, timeout: 5 seconds}
upstreams:
  - {url: "https://registry-1.docker.io", prefix: hub, namespaces: [docker.io], username: ann, password: hub-password, ca: ca.pem,
     hosts: ["storage.example:9000"], repositories: ["library/*"], tags: ["3.*"], platforms: [linux/amd64], fresh: 1 hour,
     keep: 30 days, patience: 10 seconds, fetches: 8, blob: 5 GB}
uploads: {expire: 12 hours}
scrub: {rate: 20 MB}
sessions: {life: 30 days}
drain: 30 seconds
"#;

fn parse(text: &str) -> Result<Config, SpecError> {
    Config::parse(Path::new("/srv/registry.yaml"), text)
}

#[test]
fn all_that_can_be_written_is_read_and_paths_are_relative_to_the_file() {
    let config = parse(WHOLE).expect("it is sound");
    assert_eq!(config.root.as_deref(), Some(Path::new("/srv/data")));
    assert_eq!(config.users.as_deref(), Some(Path::new("/srv/people")));
    let database = config.database.expect("it is there");
    assert_eq!(database.password, Some("/srv/password".into()));
    let store = config.store.expect("it is there");
    assert_eq!(store.secret, Some("/srv/secret".into()));
    let tls = config.tls.expect("it is there");
    assert_eq!(
        (tls.certificate, tls.key, tls.clients),
        (
            "/etc/tls/cert.pem".into(),
            "/srv/key.pem".into(),
            Some("/srv/ca.pem".into())
        )
    );
    assert_eq!(config.issuers[1].keys.as_deref(), Some("/srv/keys.json"));
    let login = config.issuers[2].login.as_ref().expect("it is there");
    assert_eq!(login.secret, Some("/srv/login.secret".into()));
    let upstream = &config.upstreams[0];
    assert_eq!(upstream.password, Some("/srv/hub-password".into()));
    assert_eq!(upstream.ca, Some("/srv/ca.pem".into()));
    let secret = config.hooks[0].secret.as_deref();
    assert_eq!(secret, Some(Path::new("/srv/ci.secret")));
    assert_eq!(config.retention[0].keep.newest, Some(10));
    assert_eq!(config.access[2].rights[2], Right::Overwrite);
    assert_eq!(config.collect.untagged, Some(Untagged::Kept));
    assert_eq!(config.drain.map(Span::milliseconds), Some(30_000));
    assert!(parse("").is_ok());
    let signed = &config.policies[0].require.signature;
    let keys = signed.as_ref().map(|signed| signed.keys.as_slice());
    assert_eq!(keys, Some(&[PathBuf::from("/srv/cosign.pub")][..]));
}

#[test]
fn what_is_wrong_is_pointed_at_with_a_way_out() {
    for (text, words) in [
        ("listn: x", &["1:1", "`listn`", "did you mean `listen`"][..]),
        (
            "access:\n  - {repositories: [x], anonymous: true, rights: [pul]}",
            &["2:", "did you mean `pull`"],
        ),
        ("drain: soon", &["1:8", "30 seconds"]),
        ("collect: {untagged: 5}", &["never"]),
        (
            "access:\n  - {repositories: [x], groups: [develpers], rights: [pull]}\ngroups: {developers: [a]}\nusers: f",
            &["did you mean `developers`"],
        ),
        (
            "access:\n  - {repositories: [x], users: [a], rights: [pull]}",
            &["1:1", "htpasswd"],
        ),
        (
            "access:\n  - {repositories: [x], rights: [pull]}",
            &["for nobody"],
        ),
        (
            "quotas: [{repositories: [], size: 1 GB}]",
            &["1:1", "names no repositories"],
        ),
        ("quotas: [{repositories: [x], size: much}]", &["1:36"]),
        (
            "issuers: [{name: ci, url: \"http://ci.example\", audience: here, rules: []}]",
            &["1:1", "no issuer that can be asked", "https://"],
        ),
        (
            "issuers: [{name: ci, url: \"https://ci.example\", audience: here, rules: [{claims: {}}]}]",
            &["would let everyone in", "repository:"],
        ),
        (
            "issuers: [{name: cert, url: \"https://ci.example\", audience: here, rules: [{claims: {sub: x}}]}]",
            &["cannot be called `cert`"],
        ),
        ("issuers: [{nam: ci}]", &["did you mean `name`"]),
        (
            "issuers: [{name: ci, url: \"https://ci.example\", rules: [{claims: {sub: x}}]}]",
            &["1:1", "nobody can sign in by", "`login:"],
        ),
        (
            "issuers: [{name: ci, url: \"https://ci.example\", login: {client: x}, rules: [{claims: {sub: x}}]}]",
            &["has no address", "url: https://", "/signin/return/"],
        ),
        (
            "issuers: [{name: ci, url: \"https://ci.example\", login: {clint: x}, rules: [{claims: {sub: x}}]}]",
            &["did you mean `client`"],
        ),
        (
            "url: https://r\nissuers: [{name: ci, url: \"https://ci.example\", login: {client: x, token: \"http://x\"}, rules: [{claims: {sub: x}}]}]",
            &["2:1", "cannot sign in at `http://x`"],
        ),
        (
            "tls: {certificate: c, key: k, clients: ca}",
            &["1:31", "no rule gives anybody a right"],
        ),
        (
            "users: p\naccess:\n  - {repositories: [x], users: [robot$ci], rights: [pull]}",
            &["3:", "robot create"],
        ),
        ("users: people", &["no rule gives anybody a right"]),
        (
            "url: registry.example",
            &["1:1", "https://registry.example"],
        ),
        ("limits: {burst: 5}", &["1:10", "beside `requests`"]),
        ("limits: {requests: often}", &["1:20", "100 per second"]),
        ("limits: {connections: 0}", &["from 1 to"]),
        (
            "database: {url: \"mysql://db/basalt\"}",
            &["1:12", "no database", "postgres://"],
        ),
        (
            "store: {bucket: images, key: name}",
            &["1:1", "one half", "`secret`"],
        ),
        (
            "store: {bucket: images, endpoint: s3.example}",
            &["1:25", "https://s3.example"],
        ),
        (
            "retention:\n  - {repositories: [\"**\"], keep: {}}",
            &["keeps nothing", "newest: 10"],
        ),
        (
            "retention:\n  - {repositories: [\"**\"], keep: {newst: 1}}",
            &["2:", "did you mean `newest`"],
        ),
        (
            "hooks:\n  - {name: ci, url: \"ftp://x\"}",
            &["2:", "https://ci.example/hook"],
        ),
        (
            "hooks:\n  - {name: ci, url: \"http://x\", events: [push-tags]}",
            &["did you mean `push-tag`"],
        ),
        (
            "upstreams: [{url: registry.example, prefix: a}]",
            &["1:19", "https://registry.example"],
        ),
        (
            "upstreams: [{url: \"https://a.example/x\", prefix: a}]",
            &["no address of a registry"],
        ),
        (
            "upstreams: [{url: \"https://a.example\", prefix: Hub}]",
            &["1:48", "small letters"],
        ),
        (
            "upstreams: [{url: \"https://a.example\", prefix: a, username: ann}]",
            &["1:51", "one half", "`password: FILE`"],
        ),
        (
            "upstreams: [{url: \"https://a.example\", prefix: a, platforms: [linux]}]",
            &["linux/amd64"],
        ),
        (
            "upstreams: [{url: \"https://a.example\", prefix: a, prefx: b}]",
            &["did you mean `prefix`"],
        ),
        (
            "upstreams:\n  - {url: \"https://a.example\", prefix: a}\n  - {url: \"https://b.example\", prefix: a/b}",
            &["3:", "of the same repositories"],
        ),
        (
            "access:\n  - {repositories: [\"a b\"], anonymous: true, rights: [pull]}",
            &["no pattern"],
        ),
    ] {
        let error = parse(text).expect_err("it is refused").to_string();
        for word in words {
            assert!(error.contains(word), "`{word}` is not in:\n{error}");
        }
    }
}
