//! A server that answers in ways that no installed one can be told to: each answer, byte for byte, is the test's, and each connection
//! ends with it.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// One request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Request {
    /// How many came before it.
    pub before: usize,
    /// How it was asked.
    pub method: String,
    /// What was asked for, as it was written.
    pub target: String,
    /// The first byte that was asked for, where a range to the end was.
    pub from: Option<usize>,
    /// The first and the last byte that were asked for.
    pub range: Option<(usize, Option<usize>)>,
    /// The header `Authorization`.
    pub authorization: Option<String>,
    /// The header `Host`.
    pub host: String,
}

/// A running server. It ends with the test's process.
#[derive(Debug)]
pub struct OddServer {
    /// Where it listens.
    pub port: u16,
    asked: Arc<Mutex<Vec<Request>>>,
}

impl OddServer {
    /// Starts it; each request gets what `answers` says, and then the connection ends.
    ///
    /// # Panics
    /// Where there is no port to listen at.
    #[must_use]
    pub fn start(answers: impl Fn(&Request) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port is free");
        let port = listener.local_addr().expect("it is bound").port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        let answers = Arc::new(answers);
        thread::spawn(move || {
            for client in listener.incoming() {
                let (client, log, answers) =
                    (client.expect("a connection comes"), Arc::clone(&log), Arc::clone(&answers));
                thread::spawn(move || serve(&client, &log, answers.as_ref()));
            }
        });
        Self { port, asked }
    }

    /// The URL of a file.
    #[must_use]
    pub fn url(&self, name: &str) -> String {
        format!("http://127.0.0.1:{}/{name}", self.port)
    }

    /// What it was asked so far.
    #[must_use]
    pub fn asked(&self) -> Vec<Request> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn serve(client: &TcpStream, log: &Mutex<Vec<Request>>, answers: &(impl Fn(&Request) -> Vec<u8> + ?Sized)) {
    let (mut text, mut byte) = (Vec::new(), [0]);
    while !text.ends_with(b"\r\n\r\n") {
        match (&*client).read(&mut byte) {
            Ok(1) => text.extend(byte),
            _ => return,
        }
    }
    let text = String::from_utf8_lossy(&text).into_owned();
    let header = |name: &str| {
        let named = |line: &str| line.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name));
        text.lines().find(|line| named(line)).map(|line| line[name.len()..].trim().to_owned())
    };
    let range = header("range: bytes=");
    let from = range.as_ref().and_then(|range| range.trim_end_matches('-').parse().ok());
    let range = range.and_then(|range| {
        let (first, last) = range.split_once('-')?;
        Some((first.parse().ok()?, last.parse().ok()))
    });
    let (authorization, host) = (header("authorization:"), header("host:").unwrap_or_default());
    let mut words = text.split(' ').map(str::to_owned);
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let request = {
        let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
        let request = Request { before: log.len(), method, target, from, range, authorization, host };
        log.push(request.clone());
        request
    };
    // Who asked may have heard enough.
    drop((&*client).write_all(&answers(&request)));
    drop(client.shutdown(Shutdown::Write));
    // A connection that is closed with bytes unread may lose what was sent.
    drop((&*client).read(&mut byte));
}

/// An answer: its first line without the line's end, its headers, its body.
#[must_use]
pub fn answer(status: &str, headers: &[String], body: &[u8]) -> Vec<u8> {
    let headers: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
    [format!("{status}\r\n{headers}Connection: close\r\n\r\n").as_bytes(), body].concat()
}

/// All of a file, or the front of it under the length of all.
#[must_use]
pub fn all_of(file: &[u8], sent: usize) -> Vec<u8> {
    let headers =
        [format!("Content-Length: {}", file.len()), "ETag: \"one\"".to_owned(), "Accept-Ranges: bytes".to_owned()];
    answer("HTTP/1.1 200 OK", &headers, &file[..sent])
}

/// The bytes `first..end` of a file, as a server gives what was asked for.
#[must_use]
pub fn part_of(file: &[u8], first: usize, end: usize) -> Vec<u8> {
    let range = format!("Content-Range: bytes {first}-{}/{}", end - 1, file.len());
    let headers = [range, format!("Content-Length: {}", end - first), "ETag: \"one\"".to_owned()];
    answer("HTTP/1.1 206 Partial Content", &headers, &file[first..end])
}
