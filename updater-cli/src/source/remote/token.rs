//! The token that a registry wants: it says where to ask for one, and what for.
//!
//! ```text
//!  GET /v2/..  ─► 401, WWW-Authenticate: Bearer realm="https://auth.example/token",service="..",scope="repository:box:pull"
//!  GET https://auth.example/token?service=..&scope=..      user and password of the URL, if it has them
//!              ─► {"token": ".."}  ─► GET /v2/.. with it
//! ```
//! 1. Where tokens are given is named by the registry, and gets the user's password: over https; over http only from a registry that is asked over http
//!    itself, on its own host.
//! 2. The token goes to the registry alone: no redirect takes it elsewhere.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use ureq::http::HeaderMap;
use ureq::http::header::WWW_AUTHENTICATE;

use super::fault::Fault;
use super::url::{Scheme, Url};

/// Bytes of an answer with a token, at most.
pub const ANSWER_BYTES: usize = 64 << 10;

/// What a registry wants.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Challenge {
    realm: String,
    service: String,
    scope: String,
}

impl Challenge {
    /// What an answer of status 401 asks for; `None` if it is no token.
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        // There may be several: one for each way in.
        headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| Self::parse(value.to_str().ok()?)).next()
    }

    fn parse(text: &str) -> Option<Self> {
        let (scheme, mut rest) = text.trim().split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        let mut challenge = Self::default();
        while let Some((name, value)) = rest.split_once('=') {
            let (value, after) = match value.strip_prefix('"') {
                Some(quoted) => quoted.split_once('"')?,
                None => value.split_once(',').unwrap_or((value, "")),
            };
            match name.trim_matches([',', ' ']).to_ascii_lowercase().as_str() {
                "realm" => value.clone_into(&mut challenge.realm),
                "service" => value.clone_into(&mut challenge.service),
                "scope" => value.clone_into(&mut challenge.scope),
                _ => {}
            }
            rest = after;
        }
        (!challenge.realm.is_empty()).then_some(challenge)
    }

    /// Where to ask for the token.
    ///
    /// # Errors
    /// Where nobody asks: it is no URL, or the password would go over http to another host.
    pub fn url(&self, registry: &Url) -> Result<Url, Fault> {
        let next = "ask who keeps the registry";
        let joint = if self.realm.contains('?') { '&' } else { '?' };
        let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let query = format!("{joint}service={}&scope={}", encoded(&self.service), encoded(&self.scope));
        let url = Url::parse(&format!("{}{query}", self.realm))
            .map_err(|refusal| Fault::lasting(format!("the registry names no place for tokens: {refusal}"), next))?;
        let is_its_own = registry.scheme() == Scheme::Http && url.is_on_host_of(registry);
        if url.scheme() == Scheme::Http && !is_its_own {
            return Err(Fault::lasting("the registry wants the password to go over http", next));
        }
        Ok(url)
    }
}

/// The token in an answer.
pub fn of_answer(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Answer {
        token: Option<String>,
        access_token: Option<String>,
    }
    let answer: Answer = serde_json::from_slice(body).ok()?;
    let token = answer.token.or(answer.access_token)?;
    (!token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic())).then_some(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn challenge(text: &str) -> Option<Challenge> {
        Challenge::of(&HeaderMap::from_iter([(WWW_AUTHENTICATE, text.parse().unwrap())]))
    }

    #[test]
    fn a_challenge_names_place_service_and_scope() {
        let [realm, service, scope] =
            ["https://a.example/t", "r.example", "repository:team/box:pull,push"].map(str::to_owned);
        let expected = Some(Challenge { realm, service, scope });
        let text = r#"Bearer realm="https://a.example/t",service="r.example",scope="repository:team/box:pull,push""#;
        assert_eq!(challenge(text), expected);
        assert_eq!(challenge(&text.replace("Bearer", "bearer").replace("\",", "\", ")), expected);
        for text in ["Basic realm=\"x\"", "Bearer", "Bearer service=\"x\"", "Bearer realm=\"x"] {
            assert_eq!(challenge(text), None, "{text}");
        }
    }

    #[test]
    fn the_password_goes_over_https_or_to_the_registry() {
        let registry = Url::parse("http://localhost:5000/v2/x").unwrap();
        let place = |realm: &str| {
            let challenge =
                Challenge { realm: realm.to_owned(), service: "a b".to_owned(), scope: "r:x:pull".to_owned() };
            challenge.url(&registry).map(|url| url.uri().to_string())
        };
        assert_eq!(place("https://a.example/t").unwrap(), "https://a.example/t?service=a%20b&scope=r%3Ax%3Apull");
        assert_eq!(
            place("http://localhost:5001/t?x=1").unwrap(),
            "http://localhost:5001/t?x=1&service=a%20b&scope=r%3Ax%3Apull"
        );
        assert!(place("http://a.example/t").is_err() && place("file:///t").is_err());
        let registry = Url::parse("https://r.example/v2/x").unwrap();
        let challenge = Challenge { realm: "http://r.example/t".to_owned(), ..Challenge::default() };
        assert!(challenge.url(&registry).is_err(), "less than the registry itself");
    }

    #[test]
    fn a_token_has_one_of_two_names() {
        assert_eq!(of_answer(br#"{"token":"abc","expires_in":60}"#).as_deref(), Some("abc"));
        assert_eq!(of_answer(br#"{"access_token":"abc"}"#).as_deref(), Some("abc"));
        for text in ["", "{}", r#"{"token":""}"#, "{\"token\":\"a\\nb\"}", "<html>"] {
            assert_eq!(of_answer(text.as_bytes()), None, "{text}");
        }
    }
}
