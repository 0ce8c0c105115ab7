//! What the OCI distribution specification 1.1 says is to be answered.

use basalt_digest::Digest;
use base64::Engine;
use serde_json::{Value, json};

use super::http::{Response, Seen};
use super::{Access, Content, Inner};

pub(super) fn answer(registry: &Inner, seen: &Seen, body: &[u8]) -> Response {
    let (path, query) = seen.path.split_once('?').unwrap_or((&seen.path, ""));
    let mut content = registry.content.lock().expect("no panic");
    if path == "/token" {
        return token(registry, &mut content, seen, query, body);
    }
    if let Some(refusal) = refused(registry, &mut content, seen) {
        return refusal;
    }
    let Some(rest) = path.strip_prefix("/v2/") else {
        return error(404, "NOT_FOUND");
    };
    if rest.is_empty() {
        return Response::new(200).body("{}");
    }
    for part in ["/blobs/uploads/", "/blobs/", "/manifests/", "/referrers/"] {
        if let Some((repository, name)) = rest.split_once(part) {
            let at = (repository, name);
            return match part {
                "/blobs/uploads/" => upload(&mut content, seen, at, query, body),
                "/blobs/" => blob(&mut content, seen, at),
                "/manifests/" => manifest(registry, &mut content, seen, at, body),
                _ if registry.behaviour.referrers => referrers(registry, &content, at, query),
                _ => error(404, "NOT_FOUND"),
            };
        }
    }
    match rest.strip_suffix("/tags/list") {
        Some(repository) => tags(registry, &content, repository, query),
        None => error(404, "NOT_FOUND"),
    }
}

fn error(status: u16, code: &str) -> Response {
    let document = json!({"errors": [{"code": code, "message": "no"}]});
    Response::new(status)
        .header("Content-Type", "application/json")
        .body(document.to_string())
}

/// A field of a query.
fn field<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value)
}

fn decoded(text: &str) -> String {
    text.replace("%3A", ":")
        .replace("%2F", "/")
        .replace("%2B", "+")
        .replace("%2C", ",")
}

fn is_known(seen: &Seen, user: &str, password: &str) -> bool {
    let encoded = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
    seen.header("authorization") == format!("Basic {encoded}")
}

fn token(
    registry: &Inner,
    content: &mut Content,
    seen: &Seen,
    query: &str,
    body: &[u8],
) -> Response {
    let Access::Bearer(user, password, uses) = registry.behaviour.access else {
        return error(404, "NOT_FOUND");
    };
    let form = String::from_utf8_lossy(body);
    let identity = field(&form, "refresh_token") == Some("identity");
    let known = is_known(seen, user, password) || identity;
    if !known && !seen.header("authorization").is_empty() {
        return error(401, "UNAUTHORIZED");
    }
    let scopes = decoded(&format!("{query}&{form}"));
    content.count += 1;
    let token = format!("token-{}", content.count);
    let push = known && scopes.contains("push");
    content.tokens.insert(token.clone(), (uses, push));
    Response::new(200)
        .body(json!({"token": token, "access_token": token, "expires_in": 300}).to_string())
}

fn refused(registry: &Inner, content: &mut Content, seen: &Seen) -> Option<Response> {
    let challenge =
        |value: String| Some(error(401, "UNAUTHORIZED").header("WWW-Authenticate", value));
    match registry.behaviour.access {
        Access::Open => None,
        Access::Basic(user, password) => match is_known(seen, user, password) {
            true => None,
            false => challenge("Basic realm=\"test\"".to_owned()),
        },
        Access::Bearer(..) => {
            let token = seen.header("authorization").strip_prefix("Bearer ");
            let writes = !matches!(seen.method.as_str(), "GET" | "HEAD");
            if let Some((uses, push)) = token.and_then(|token| content.tokens.get_mut(token))
                && *uses > 0
                && (*push || !writes)
            {
                *uses -= 1;
                return None;
            }
            let port = registry.port;
            challenge(format!(
                "Bearer realm=\"http://127.0.0.1:{port}/token\",service=\"test\""
            ))
        }
    }
}

fn located(status: u16, repository: &str, id: &str, length: usize) -> Response {
    Response::new(status)
        .header(
            "Location",
            format!("/v2/{repository}/blobs/uploads/{id}?state=x"),
        )
        .header("Range", format!("0-{}", length.saturating_sub(1)))
}

fn upload(
    content: &mut Content,
    seen: &Seen,
    (repository, id): (&str, &str),
    query: &str,
    body: &[u8],
) -> Response {
    match seen.method.as_str() {
        "POST" => {
            let mounted = field(query, "mount").and_then(|digest| digest.parse::<Digest>().ok());
            if let (Some(digest), Some(from)) = (mounted, field(query, "from"))
                && let Some(bytes) = content.blobs.get(&(from.to_owned(), digest)).cloned()
            {
                content.blobs.insert((repository.to_owned(), digest), bytes);
                return Response::new(201);
            }
            content.count += 1;
            let id = format!("upload-{}", content.count);
            content.uploads.insert(id.clone(), Vec::new());
            located(202, repository, &id, 0)
        }
        _ if !content.uploads.contains_key(id) => error(404, "BLOB_UPLOAD_UNKNOWN"),
        "GET" => located(204, repository, id, content.uploads[id].len()),
        "DELETE" => {
            content.uploads.remove(id);
            Response::new(204)
        }
        "PATCH" => {
            let upload = content.uploads.entry(id.to_owned()).or_default();
            let start = seen.header("content-range").split('-').next().unwrap_or("");
            if start.parse() != Ok(upload.len()) {
                return error(416, "BLOB_UPLOAD_INVALID");
            }
            upload.extend_from_slice(body);
            let length = upload.len();
            located(202, repository, id, length)
        }
        _ => {
            let mut bytes = content.uploads.remove(id).unwrap_or_default();
            bytes.extend_from_slice(body);
            let digest = Digest::of(&bytes);
            if field(query, "digest") != Some(&digest.to_string()) {
                return error(400, "DIGEST_INVALID");
            }
            content.blobs.insert((repository.to_owned(), digest), bytes);
            Response::new(201).header("Docker-Content-Digest", digest.to_string())
        }
    }
}

fn blob(content: &mut Content, seen: &Seen, (repository, name): (&str, &str)) -> Response {
    let Ok(digest) = name.parse::<Digest>() else {
        return error(400, "DIGEST_INVALID");
    };
    let key = (repository.to_owned(), digest);
    let Some(bytes) = content.blobs.get(&key).cloned() else {
        return error(404, "BLOB_UNKNOWN");
    };
    if seen.method == "DELETE" {
        content.blobs.remove(&key);
        return Response::new(202);
    }
    let start = seen
        .header("range")
        .strip_prefix("bytes=")
        .and_then(|range| range.trim_end_matches('-').parse::<usize>().ok());
    match start {
        None => Response::new(200).body(bytes),
        Some(start) if start >= bytes.len() => error(416, "RANGE_INVALID"),
        Some(start) => {
            let range = format!("bytes {start}-{}/{}", bytes.len() - 1, bytes.len());
            Response::new(206)
                .header("Content-Range", range)
                .body(&bytes[start..])
        }
    }
}

fn manifest(
    registry: &Inner,
    content: &mut Content,
    seen: &Seen,
    (repository, name): (&str, &str),
    body: &[u8],
) -> Response {
    let tagged = (repository.to_owned(), name.to_owned());
    if seen.method == "PUT" {
        let digest = Digest::of(body);
        let key = (repository.to_owned(), digest);
        let kind = seen.header("content-type").to_owned();
        let document: Value = serde_json::from_slice(body).unwrap_or_default();
        let mut blobs = document["layers"].as_array().cloned().unwrap_or_default();
        blobs.extend(document.get("config").cloned());
        for blob in blobs {
            let wanted = blob["digest"].as_str().unwrap_or("").parse::<Digest>();
            let Ok(wanted) = wanted else {
                return error(400, "MANIFEST_INVALID");
            };
            if !content.blobs.contains_key(&(repository.to_owned(), wanted)) {
                return error(404, "MANIFEST_BLOB_UNKNOWN");
            }
        }
        content.manifests.insert(key, (kind, body.to_vec()));
        if name.parse::<Digest>().is_err() {
            content.tags.insert(tagged, digest);
        }
        let mut response = Response::new(201).header("Docker-Content-Digest", digest.to_string());
        if let Some(subject) = document["subject"]["digest"].as_str()
            && registry.behaviour.referrers
        {
            response = response.header("OCI-Subject", subject);
        }
        return response;
    }
    let named = name.parse::<Digest>().ok();
    let Some(digest) = named.or_else(|| content.tags.get(&tagged).copied()) else {
        return error(404, "MANIFEST_UNKNOWN");
    };
    let key = (repository.to_owned(), digest);
    let Some((kind, bytes)) = content.manifests.get(&key).cloned() else {
        return error(404, "MANIFEST_UNKNOWN");
    };
    if seen.method == "DELETE" {
        match named {
            None => content.tags.remove(&tagged).map(|_| ()),
            Some(_) => content.manifests.remove(&key).map(|_| ()),
        };
        return Response::new(202);
    }
    Response::new(200)
        .header("Content-Type", kind)
        .header("Docker-Content-Digest", digest.to_string())
        .body(bytes)
}

/// One page of a list, and where the next is.
fn page<T: Clone>(registry: &Inner, all: &[T], query: &str) -> (Vec<T>, Option<usize>) {
    let start: usize = field(query, "from")
        .and_then(|at| at.parse().ok())
        .unwrap_or(0);
    let end = (start + registry.behaviour.page).min(all.len());
    let next = (end < all.len()).then_some(end);
    (all[start.min(end)..end].to_vec(), next)
}

fn tags(registry: &Inner, content: &Content, repository: &str, query: &str) -> Response {
    let own = content.tags.keys().filter(|(name, _)| name == repository);
    let all: Vec<String> = own.map(|(_, tag)| tag.clone()).collect();
    if all.is_empty() {
        return error(404, "NAME_UNKNOWN");
    }
    let (tags, next) = page(registry, &all, query);
    let response = Response::new(200).body(json!({"name": repository, "tags": tags}).to_string());
    match next {
        Some(next) => {
            let link = format!("</v2/{repository}/tags/list?from={next}>; rel=\"next\"");
            response.header("Link", link)
        }
        None => response,
    }
}

fn referrers(
    registry: &Inner,
    content: &Content,
    (repository, subject): (&str, &str),
    query: &str,
) -> Response {
    let wanted = field(query, "artifactType").map(decoded);
    let mut all = Vec::new();
    for ((name, digest), (kind, bytes)) in &content.manifests {
        let document: Value = serde_json::from_slice(bytes).unwrap_or_default();
        if name != repository || document["subject"]["digest"] != *subject {
            continue;
        }
        let own = document["artifactType"]
            .as_str()
            .or(document["config"]["mediaType"].as_str());
        if wanted.as_deref().is_some_and(|wanted| own != Some(wanted)) {
            continue;
        }
        all.push(json!({
            "mediaType": kind,
            "digest": digest,
            "size": bytes.len(),
            "artifactType": own,
            "annotations": document["annotations"].as_object().cloned().unwrap_or_default(),
        }));
    }
    let (manifests, next) = page(registry, &all, query);
    let kind = "application/vnd.oci.image.index.v1+json";
    let index = json!({"schemaVersion": 2, "mediaType": kind, "manifests": manifests});
    let mut response = Response::new(200)
        .header("Content-Type", kind)
        .body(index.to_string());
    if wanted.is_some() {
        response = response.header("OCI-Filters-Applied", "artifactType");
    }
    match next {
        Some(next) => {
            let filter = query.split('&').find(|one| one.starts_with("artifactType"));
            let filter = filter.map(|one| format!("{one}&")).unwrap_or_default();
            let link =
                format!("</v2/{repository}/referrers/{subject}?{filter}from={next}>; rel=\"next\"");
            response.header("Link", link)
        }
        None => response,
    }
}
