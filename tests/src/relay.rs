//! A network that fails: a relay before a server, which passes on so many bytes of an answer and then cuts the connection or falls
//! silent.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// What becomes of one connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Manner {
    /// So many bytes of the answer pass, then it is cut.
    Cuts(usize),
    /// So many bytes of the answer pass, then nothing more; the connection stays.
    FallsSilent(usize),
    /// Everything passes.
    Honest,
}

/// A relay. It ends with the test's process.
#[derive(Debug)]
pub struct Relay {
    /// Where it listens.
    pub port: u16,
    spent: Arc<AtomicUsize>,
}

impl Relay {
    /// Relays to a port. The first connections behave as told, the others are honest.
    ///
    /// # Panics
    /// Where there is no port to listen at.
    #[must_use]
    pub fn before(server: u16, manners: &'static [Manner]) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port is free");
        let port = listener.local_addr().expect("it is bound").port();
        let spent = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&spent);
        thread::spawn(move || {
            for (number, client) in listener.incoming().enumerate() {
                let manner = manners.get(number).copied().unwrap_or(Manner::Honest);
                let (client, counter) = (client.expect("a connection comes"), Arc::clone(&counter));
                thread::spawn(move || relay(&client, server, manner, &counter));
            }
        });
        Self { port, spent }
    }

    /// The URL of a file behind it.
    #[must_use]
    pub fn url(&self, name: &str) -> String {
        format!("http://127.0.0.1:{}/{name}", self.port)
    }

    /// How many connections have failed as they were told to.
    #[must_use]
    pub fn failures(&self) -> usize {
        self.spent.load(Ordering::SeqCst)
    }

    /// Waits until so many connections have failed as they were told to.
    ///
    /// # Panics
    /// Where they do not.
    pub fn has_failed(&self, connections: usize) {
        let until = Instant::now() + Duration::from_secs(20);
        while self.spent.load(Ordering::SeqCst) < connections {
            assert!(Instant::now() < until, "the relay has not failed {connections} times");
            thread::sleep(Duration::from_millis(2));
        }
    }
}

fn relay(client: &TcpStream, server: u16, manner: Manner, spent: &AtomicUsize) {
    let server = TcpStream::connect(("127.0.0.1", server)).expect("the server listens");
    let [up, down] = [client, &server].map(|stream| stream.try_clone().expect("a socket can be shared"));
    let asks = thread::spawn(move || {
        // Who asks may go away.
        drop(std::io::copy(&mut &up, &mut &down));
        drop(down.shutdown(Shutdown::Write));
    });
    let limit = match manner {
        Manner::Cuts(bytes) | Manner::FallsSilent(bytes) => bytes,
        Manner::Honest => usize::MAX,
    };
    let (mut left, mut bytes) = (limit, vec![0; 64 << 10]);
    let ends = loop {
        let room = left.min(bytes.len());
        if room == 0 {
            break manner;
        }
        let got = (&server).read(&mut bytes[..room]).unwrap_or(0);
        if got == 0 || (&*client).write_all(&bytes[..got]).is_err() {
            break Manner::Honest;
        }
        left -= got;
    };
    if ends != Manner::Honest {
        spent.fetch_add(1, Ordering::SeqCst);
    }
    if matches!(ends, Manner::FallsSilent(_)) {
        // Until the client gives up.
        drop(asks.join());
    }
    drop(client.shutdown(Shutdown::Both));
    drop(server.shutdown(Shutdown::Both));
}
